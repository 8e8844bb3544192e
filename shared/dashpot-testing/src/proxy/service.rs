use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;

/// How a service speaks: what its own refusals look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// JSON with a target header: `DynamoDB`.
    DynamoDb,
    /// The same: SQS.
    Sqs,
    /// The same: Secrets Manager and others.
    Json,
    /// A form with an `Action`, answered in XML: SNS.
    Query,
    /// Resources, in JSON: SES.
    Rest,
    /// Resources, in XML: S3.
    S3,
    /// No AWS service at all.
    Http,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) protocol: Protocol,
    /// `dynamodb.TransactWriteItems`, `sns.PublishBatch`, `ses POST /v2/email/outbound-emails`.
    pub(super) name: String,
}

impl Operation {
    pub(super) fn of(head: &Parts, body: &Bytes) -> Self {
        if let Some(target) = text(&head.headers, "x-amz-target") {
            let (service, action) = target.rsplit_once('.').unwrap_or(("", target));
            let (protocol, service) = match service {
                "DynamoDB_20120810" => (Protocol::DynamoDb, "dynamodb"),
                "AmazonSQS" => (Protocol::Sqs, "sqs"),
                other => (Protocol::Json, other),
            };
            return Self {
                protocol,
                name: format!("{service}.{action}"),
            };
        }
        let path = shape(head.uri.path());
        let method = &head.method;
        let Some(service) = signed_for(&head.headers) else {
            return Self {
                protocol: Protocol::Http,
                name: format!("{method} {path}"),
            };
        };
        if let Some(action) = action(body) {
            return Self {
                protocol: Protocol::Query,
                name: format!("{service}.{action}"),
            };
        }
        Self {
            protocol: if service == "s3" {
                Protocol::S3
            } else {
                Protocol::Rest
            },
            name: format!("{service} {method} {path}"),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The service in the scope of the signature: `Credential=KEY/20260101/us-east-1/sns/aws4_request`.
fn signed_for(headers: &HeaderMap) -> Option<&str> {
    let signature = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, scope) = signature.split_once("Credential=")?;
    scope.split('/').nth(3)
}

fn action(body: &Bytes) -> Option<&str> {
    let body = std::str::from_utf8(body).ok()?;
    body.split('&')
        .find_map(|pair| pair.strip_prefix("Action="))
}

/// The path with what looks like an id left out: the same for each order.
fn shape(path: &str) -> String {
    let is_id =
        |segment: &str| segment.len() >= 8 && segment.contains(|c: char| c.is_ascii_digit());
    let segments = path
        .split('/')
        .map(|segment| if is_id(segment) { "*" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use hyper::Request;

    use super::*;

    fn name(method: &str, path: &str, headers: &[(&str, &str)], body: &'static str) -> String {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Operation::of(&head, &Bytes::from(body)).name
    }

    #[test]
    fn a_request_is_named_by_what_it_asks_for_in_every_protocol() {
        let scope = |service| {
            format!("AWS4-HMAC-SHA256 Credential=K/20260101/us-east-1/{service}/aws4_request, S")
        };
        let (sns, ses, s3) = (scope("sns"), scope("ses"), scope("s3"));
        for (named, method, path, headers, body) in [
            (
                "dynamodb.PutItem",
                "POST",
                "/",
                vec![("x-amz-target", "DynamoDB_20120810.PutItem")],
                "",
            ),
            (
                "sqs.SendMessage",
                "POST",
                "/",
                vec![("x-amz-target", "AmazonSQS.SendMessage")],
                "",
            ),
            (
                "sns.PublishBatch",
                "POST",
                "/",
                vec![("authorization", &*sns)],
                "Action=PublishBatch&Version=1",
            ),
            (
                "ses POST /v2/email/outbound-emails",
                "POST",
                "/v2/email/outbound-emails",
                vec![("authorization", &*ses)],
                "{}",
            ),
            (
                "s3 PUT /bucket/*",
                "PUT",
                "/bucket/2026-01-01",
                vec![("authorization", &*s3)],
                "",
            ),
            (
                "POST /v1/payment_intents/*/capture",
                "POST",
                "/v1/payment_intents/pi_3SV4SH/capture",
                vec![],
                "",
            ),
        ] {
            assert_eq!(name(method, path, &headers, body), named);
        }
    }
}
