//! What a service answers that has too much to do, or is out of order: each in its own words.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::service::{Operation, Protocol};

pub(super) type Answer = Response<Full<Bytes>>;

/// Too many calls.
pub(super) fn throttled(operation: &Operation) -> Answer {
    let message = "Rate exceeded";
    match operation.protocol {
        Protocol::DynamoDb => coral("com.amazon.coral.availability#ThrottlingException", message),
        Protocol::Sqs => {
            let kind = "com.amazon.coral.service#RequestThrottled";
            let mut answer = coral(kind, message);
            set(&mut answer, "x-amzn-query-error", "RequestThrottled;Sender");
            answer
        }
        Protocol::Json => coral("ThrottlingException", message),
        Protocol::Query => {
            let error = "<Error><Type>Sender</Type><Code>Throttled</Code><Message>Rate exceeded</Message></Error>";
            xml(
                StatusCode::TOO_MANY_REQUESTS,
                &format!("<ErrorResponse>{error}</ErrorResponse>"),
            )
        }
        Protocol::Rest => rest(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
        Protocol::S3 => {
            let error = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
            xml(StatusCode::SERVICE_UNAVAILABLE, error)
        }
        Protocol::Http => provider(StatusCode::TOO_MANY_REQUESTS, "rate_limit"),
    }
}

/// The service is there, and cannot do anything.
pub(super) fn unavailable(operation: &Operation) -> Answer {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    match operation.protocol {
        Protocol::DynamoDb | Protocol::Sqs | Protocol::Json => {
            let mut answer = coral("InternalServerError", "out of order");
            *answer.status_mut() = status;
            answer
        }
        Protocol::Query => {
            let error = "<Error><Type>Receiver</Type><Code>InternalError</Code><Message>out of order</Message></Error>";
            xml(status, &format!("<ErrorResponse>{error}</ErrorResponse>"))
        }
        Protocol::Rest => rest(status, "InternalServiceErrorException"),
        Protocol::S3 => xml(
            status,
            "<Error><Code>InternalError</Code><Message>out of order</Message></Error>",
        ),
        Protocol::Http => provider(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

/// Somebody else is at the same thing; none where a service knows no such answer.
pub(super) fn conflict(operation: &Operation, request: &Bytes) -> Option<Answer> {
    match (operation.protocol, operation.name.as_str()) {
        (Protocol::DynamoDb, "dynamodb.TransactWriteItems") => {
            let request: Value = serde_json::from_slice(request).unwrap_or_default();
            let items = request["TransactItems"].as_array().map_or(1, Vec::len);
            let mut reasons = vec![json!({ "Code": "None" }); items];
            reasons[0] = json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" });
            let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
            let body = json!({ "__type": kind, "Message": "Transaction cancelled", "CancellationReasons": reasons });
            Some(plain(
                StatusCode::BAD_REQUEST,
                "application/x-amz-json-1.0",
                body.to_string(),
            ))
        }
        (
            Protocol::DynamoDb,
            "dynamodb.PutItem" | "dynamodb.UpdateItem" | "dynamodb.DeleteItem",
        ) => {
            let kind = "com.amazonaws.dynamodb.v20120810#TransactionConflictException";
            Some(coral(kind, "Transaction is ongoing for the item"))
        }
        (Protocol::Http, _) => Some(provider(StatusCode::CONFLICT, "lock_timeout")),
        _ => None,
    }
}

fn coral(kind: &str, message: &str) -> Answer {
    let body = json!({ "__type": kind, "message": message });
    plain(
        StatusCode::BAD_REQUEST,
        "application/x-amz-json-1.0",
        body.to_string(),
    )
}

fn rest(status: StatusCode, kind: &'static str) -> Answer {
    let body = json!({ "message": "not now" }).to_string();
    let mut answer = plain(status, "application/json", body);
    set(&mut answer, "x-amzn-errortype", kind);
    answer
}

fn xml(status: StatusCode, body: &str) -> Answer {
    plain(status, "text/xml", format!("<?xml version=\"1.0\"?>{body}"))
}

/// As Stripe says it.
fn provider(status: StatusCode, code: &str) -> Answer {
    let kind = if status.is_server_error() {
        "api_error"
    } else {
        "invalid_request_error"
    };
    let body = json!({ "error": { "type": kind, "code": code, "message": "not now" } });
    plain(status, "application/json", body.to_string())
}

fn plain(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    set(&mut answer, "content-type", content_type);
    answer
}

fn set(answer: &mut Answer, name: &'static str, value: &'static str) {
    answer
        .headers_mut()
        .insert(name, hyper::header::HeaderValue::from_static(value));
}
