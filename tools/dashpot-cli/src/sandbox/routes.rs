//! Which request is what, and HTTP on both sides of it.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::behaviour::{Operation, Rule};
use super::fields::Fields;
use super::provider::{Answer, Call, Provider};
use super::refusal::{self, Refusal};

const BODY_LIMIT: usize = 64 * 1024;

/// Answers one request of a client; `None` if the connection is to end without an answer.
pub(super) async fn answer(
    provider: Arc<Provider>,
    request: Request<Incoming>,
) -> Option<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return Some(json_response(
            413,
            &json!({ "error": "the request is too long or broke off" }),
        ));
    };
    let body = body.to_bytes();
    let segments: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    if segments.first() != Some(&"v1") {
        return Some(control(&provider, &head.method, &segments, &body));
    }
    let sent = if head.method == Method::GET {
        head.uri.query().unwrap_or_default().as_bytes()
    } else {
        &body
    };
    let fields = Fields::parse(sent);
    let answer = match (
        authorised(&head.headers),
        operation(&head.method, &segments),
    ) {
        (Err(refusal), _) => Answer::from(refusal),
        (Ok(()), None) => Answer::from(refusal::unknown_url(&head.method, head.uri.path())),
        (Ok(()), Some((operation, intent))) => {
            let call = Call {
                operation,
                path: head.uri.path().to_owned(),
                intent: intent
                    .or_else(|| fields.get("payment_intent"))
                    .map(str::to_owned),
                key: idempotency_key(&head.method, &head.headers),
                fields,
            };
            // In a task of its own, for a client that hangs up does not stop what it has asked for.
            let task = tokio::spawn(async move { provider.answer(&call).await });
            task.await.ok().flatten()?
        }
    };
    Some(stripe_response(&answer))
}

/// Stripe's endpoints.
fn operation<'a>(method: &Method, segments: &[&'a str]) -> Option<(Operation, Option<&'a str>)> {
    match (method, segments) {
        (&Method::POST, ["v1", "payment_intents"]) => Some((Operation::Create, None)),
        (&Method::GET, ["v1", "payment_intents", "search"]) => Some((Operation::Search, None)),
        (&Method::GET, ["v1", "payment_intents", id]) => Some((Operation::Retrieve, Some(id))),
        (&Method::POST, ["v1", "payment_intents", id, "capture"]) => {
            Some((Operation::Capture, Some(id)))
        }
        (&Method::POST, ["v1", "payment_intents", id, "cancel"]) => {
            Some((Operation::Cancel, Some(id)))
        }
        (&Method::POST, ["v1", "refunds"]) => Some((Operation::Refund, None)),
        _ => None,
    }
}

/// The sandbox's own endpoints.
fn control(
    provider: &Provider,
    method: &Method,
    segments: &[&str],
    body: &[u8],
) -> Response<Full<Bytes>> {
    match (method, segments) {
        (&Method::GET, ["health"]) => json_response(200, &json!({ "status": "ok" })),
        (&Method::GET, ["ledger"]) => json_response(200, &provider.ledger()),
        (&Method::POST, ["reset"]) => {
            provider.reset();
            json_response(200, &json!([]))
        }
        (&Method::GET, ["behaviour"]) => json_response(200, &json!(provider.rules())),
        (&Method::POST, ["behaviour"]) => match serde_json::from_slice::<Vec<Rule>>(body) {
            Ok(rules) => json_response(200, &json!(provider.add_rules(rules))),
            Err(error) => json_response(400, &json!({ "error": error.to_string() })),
        },
        (&Method::DELETE, ["behaviour"]) => {
            provider.drop_rules();
            json_response(200, &json!([]))
        }
        _ => json_response(404, &json!({ "error": "no such page" })),
    }
}

/// `Authorization: Bearer sk_test_…`, or Basic with the key as the user.
fn authorised(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let key = match given.and_then(|value| value.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Some(key.to_owned()),
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => user(pair),
        _ => None,
    };
    match key {
        None => Err(refusal::no_key()),
        Some(key) if key.starts_with("sk_test_") => Ok(()),
        Some(_) => Err(refusal::wrong_key()),
    }
}

fn user(pair: &str) -> Option<String> {
    let pair = String::from_utf8(BASE64_STANDARD.decode(pair.trim()).ok()?).ok()?;
    Some(pair.split(':').next().unwrap_or_default().to_owned())
}

fn idempotency_key(method: &Method, headers: &HeaderMap) -> Option<String> {
    let key = headers
        .get("idempotency-key")
        .filter(|_| method == Method::POST)?;
    Some(String::from_utf8_lossy(key.as_bytes()).into_owned())
}

fn stripe_response(answer: &Answer) -> Response<Full<Bytes>> {
    let mut response = json_response(answer.status, &answer.body);
    let headers = response.headers_mut();
    if let Ok(id) = format!("req_{}", Uuid::now_v7().simple()).parse() {
        headers.insert("request-id", id);
    }
    if answer.replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

fn json_response(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status.try_into().unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
