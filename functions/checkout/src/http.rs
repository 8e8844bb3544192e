//! From API Gateway's event (HTTP API, payload 2.0) to a [`Request`], and the answer back.

use std::convert::Infallible;
use std::time::Duration;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use aws_lambda_events::http::{HeaderMap, HeaderName, HeaderValue};
use dashpot::{Invocation, Store, correlation_id, is_traceparent};
use payment_gateway::Gateway;
use tokio::time::Instant;

use crate::handler::{Checkout, LARGEST_BODY, Reply, Request};
use crate::problem::Problem;
use crate::telemetry;

/// How much of an invocation's time is kept for the answer's way back.
const TIME_TO_ANSWER: Duration = Duration::from_millis(300);

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Polls the Lambda Runtime API and answers every request, until the process ends.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run<S: Store, G: Gateway>(
    checkout: Checkout<S, G>,
) -> Result<(), lambda_runtime::Error> {
    dashpot::serve(async |event: &str, invocation: &Invocation| {
        Ok::<_, Infallible>(answer(&checkout, event, invocation).await)
    })
    .await
}

/// Answers one event. Whatever comes in, an answer goes out.
pub async fn answer<S: Store, G: Gateway>(
    checkout: &Checkout<S, G>,
    event: &str,
    invocation: &Invocation,
) -> ApiGatewayV2httpResponse {
    let started = Instant::now();
    let event = strict_json::from_str::<ApiGatewayV2httpRequest>(event);
    let headers = event.as_ref().map(|event| &event.headers).ok();
    let from_client = headers.and_then(|headers| header(headers, CORRELATION_ID.as_str()));
    let correlation_id = correlation_id(from_client, invocation.clock.now());
    let request = event
        .map_err(|_| Problem::malformed("the event is none of an HTTP API's"))
        .and_then(|event| request(event, &correlation_id, invocation));
    let reply = match request {
        Ok((Path::Orders, request)) => checkout.place(&request).await,
        Ok((Path::Cancel(order), request)) => checkout.cancel(&order, &request).await,
        Err(problem) => Reply::from_outcome(Err(problem), &correlation_id),
    };
    (checkout.log)(&telemetry::line(
        &reply,
        &correlation_id,
        &invocation.request_id,
        started.elapsed(),
    ));
    response(reply, &correlation_id)
}

/// What a request is sent to.
enum Path {
    /// `/orders`
    Orders,
    /// `/orders/{id}/cancel`
    Cancel(String),
}

fn path(event: &ApiGatewayV2httpRequest) -> Option<Path> {
    let path = event.raw_path.as_deref()?.strip_prefix('/')?;
    // On a named stage the path begins with it.
    let stage = event.request_context.stage.as_deref().unwrap_or_default();
    let after_stage = path
        .strip_prefix(stage)
        .and_then(|path| path.strip_prefix('/'));
    let path = after_stage.unwrap_or(path).strip_prefix("orders")?;
    if path.is_empty() {
        return Some(Path::Orders);
    }
    let order = path.strip_prefix('/')?.strip_suffix("/cancel")?;
    (!order.contains('/')).then(|| Path::Cancel(order.to_owned()))
}

fn request(
    event: ApiGatewayV2httpRequest,
    correlation_id: &str,
    invocation: &Invocation,
) -> Result<(Path, Request), Problem> {
    let path = path(&event).ok_or_else(Problem::not_found)?;
    if event.request_context.http.method != "POST" {
        return Err(Problem::method_not_allowed());
    }
    let header = |name| header(&event.headers, name).map(str::to_owned);
    let request = Request {
        idempotency_key: header("idempotency-key"),
        correlation_id: correlation_id.to_owned(),
        traceparent: header("traceparent").filter(|text| is_traceparent(text)),
        body: body(event.body.unwrap_or_default(), event.is_base64_encoded)?,
        now: invocation.clock.now(),
        deadline: invocation
            .deadline
            .checked_sub(TIME_TO_ANSWER)
            .unwrap_or(invocation.deadline),
    };
    Ok((path, request))
}

fn body(text: String, is_base64: bool) -> Result<Vec<u8>, Problem> {
    if !is_base64 {
        return Ok(text.into_bytes());
    }
    // Base64 makes four characters of three bytes.
    if text.len() / 4 * 3 > LARGEST_BODY + 3 {
        return Err(Problem::too_large(LARGEST_BODY));
    }
    aws_smithy_types::base64::decode(text)
        .map_err(|_| Problem::malformed("the body is not the Base64 that the event says it is"))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn response(reply: Reply, correlation_id: &str) -> ApiGatewayV2httpResponse {
    let status = reply.answer.status;
    let content = if status < 400 {
        "application/json"
    } else {
        "application/problem+json"
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
    if let Ok(id) = HeaderValue::from_str(correlation_id) {
        headers.insert(CORRELATION_ID, id);
    }
    if let Some(seconds) = reply.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if status == 405 {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status.into();
    response.headers = headers;
    response.body = Some(Body::Text(reply.answer.body));
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use dashpot::{Key, Row, Write};
    use dashpot_testing::MemoryStore;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use crate::doubles::{FakeProvider, Stepwise};

    fn event() -> Value {
        serde_json::from_str(include_str!("../../../events/checkout/good.json")).unwrap()
    }

    async fn ask(event: &str) -> (u16, Value, Value) {
        let (store, provider) = (MemoryStore::new(), FakeProvider::default());
        for sku in ["chair-oak", "lamp-brass"] {
            let row = Row::new(Key::new(format!("product#{sku}")));
            let row = row.set("price", 100_i64).set("currency", "EUR");
            store.commit(&[Write::put(row)]).await.unwrap();
        }
        let bound = Duration::from_mins(15);
        let checkout = Checkout::new(Stepwise(&store), Stepwise(&provider), bound);
        let response = answer(&checkout, event, &Invocation::default()).await;
        let response = serde_json::to_value(&response).unwrap();
        let body = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        let status = response["statusCode"].as_u64().unwrap().try_into().unwrap();
        (status, response["headers"].clone(), body)
    }

    #[tokio::test]
    async fn a_good_event_is_accepted_under_the_clients_correlation_id() {
        let (status, headers, body) = ask(&event().to_string()).await;
        assert_eq!(status, 202);
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["x-correlation-id"], "req_789");
        assert_eq!(body["correlationId"], "req_789");
        assert_eq!(body["total"], json!({"amount": 300, "currency": "EUR"}));
    }

    #[tokio::test]
    async fn a_correlation_id_that_could_forge_a_line_is_replaced() {
        let long = "x".repeat(129);
        for id in ["", "a b", "a\"b", "a\tb", &long] {
            let mut event = event();
            event["headers"]["x-correlation-id"] = id.into();
            let (status, headers, body) = ask(&event.to_string()).await;
            assert_eq!(status, 202);
            assert_eq!(headers["x-correlation-id"], body["correlationId"]);
            assert!(
                Uuid::parse_str(body["correlationId"].as_str().unwrap()).is_ok(),
                "{id:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_body_in_base64_is_decoded_first() {
        let mut event = event();
        let body = aws_smithy_types::base64::encode(event["body"].as_str().unwrap());
        event["isBase64Encoded"] = true.into();
        event["body"] = body.into();
        assert_eq!(ask(&event.to_string()).await.0, 202);
        event["body"] = "%%%".into();
        assert_eq!(ask(&event.to_string()).await.0, 400);
        event["body"] = "A".repeat(LARGEST_BODY * 2).into();
        assert_eq!(ask(&event.to_string()).await.0, 413);
        // Just small enough encoded, and still too large decoded.
        event["body"] = aws_smithy_types::base64::encode(vec![b' '; LARGEST_BODY + 1]).into();
        assert_eq!(ask(&event.to_string()).await.0, 413);
        event["body"] = aws_smithy_types::base64::encode(vec![b' '; LARGEST_BODY]).into();
        assert_eq!(ask(&event.to_string()).await.0, 400);
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_refused_and_a_stage_is_no_part_of_the_path() {
        for (stage, path, method, expected) in [
            ("$default", "/orders", "POST", 202),
            ("prod", "/prod/orders", "POST", 202),
            ("prod", "/orders", "POST", 202),
            ("$default", "/orders/", "POST", 404),
            ("$default", "/order", "POST", 404),
            ("$default", "/orders", "PUT", 405),
            ("$default", "/orders/order-1", "POST", 404),
            ("$default", "/orders/order-1/cancel", "GET", 405),
            ("$default", "/orders/order-1/cancel/", "POST", 404),
            ("$default", "/orders/a/b/cancel", "POST", 404),
            ("prod", "/prod/orders/order-1/cancel", "DELETE", 405),
        ] {
            let mut event = event();
            event["requestContext"]["stage"] = stage.into();
            event["requestContext"]["http"]["method"] = method.into();
            event["rawPath"] = path.into();
            let (status, headers, body) = ask(&event.to_string()).await;
            assert_eq!(status, expected, "{method} {path}");
            if status >= 400 {
                assert_eq!(headers["content-type"], "application/problem+json");
                assert_eq!(body["status"], status);
                assert_eq!(body["correlationId"], "req_789");
            }
            assert_eq!(headers.get("allow").is_some(), status == 405);
        }
    }

    #[tokio::test]
    async fn whatever_comes_in_an_answer_goes_out() {
        for event in ["null", "[]", "{}", r#"{"requestContext": 1}"#] {
            assert_eq!(ask(event).await.0, 400, "{event}");
        }
    }
}
