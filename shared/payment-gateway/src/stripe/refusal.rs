//! What an answer that is no success, or no answer at all, means.

use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::{Cause, GatewayError, IntentId, IntentStatus};

/// The provider's words are cut to this many characters.
const MESSAGE_LIMIT: usize = 300;

/// <https://docs.stripe.com/api/errors>
#[derive(Debug, Deserialize)]
struct Answer {
    error: Refusal,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    r#type: String,
    code: Option<String>,
    decline_code: Option<String>,
    #[serde(default)]
    message: String,
    param: Option<String>,
    payment_intent: Option<Mentioned>,
}

#[derive(Debug, Deserialize)]
struct Mentioned {
    id: String,
    status: String,
}

/// What lies beneath `Unavailable` and `Unknown` when there was an answer, or part of one.
#[derive(Debug, thiserror::Error)]
enum Doubt {
    #[error("the provider is at work on the same payment ({code}, request {request})")]
    Busy { code: String, request: String },
    #[error("the provider answered HTTP {status} (request {request})")]
    Status { status: u16, request: String },
    #[error("the provider's answer is longer than {0} bytes")]
    TooLong(usize),
}

/// What a status other than success means.
pub(super) fn classify(status: u16, body: &[u8], request: &str) -> GatewayError {
    let refusal = strict_json::from_slice::<Answer>(body)
        .ok()
        .map(|answer| answer.error);
    let code = refusal.as_ref().and_then(|refusal| refusal.code.as_deref());
    match (status, code) {
        (_, Some(code @ ("lock_timeout" | "idempotency_key_in_use"))) => busy(code, request),
        (409, _) => busy(code.unwrap_or("conflict"), request),
        (401 | 403, _) => GatewayError::Unauthorised {
            status,
            message: refusal
                .map(|refusal| cut(&refusal.message))
                .unwrap_or_default(),
        },
        (429, _) => GatewayError::RateLimited,
        (400..=499, _) => refusal.map_or_else(
            || nothing_said(status, request),
            |refusal| refused(status, refusal, request),
        ),
        _ => nothing_said(status, request),
    }
}

/// What a readable answer of the 4xx kind means.
fn refused(status: u16, refusal: Refusal, request: &str) -> GatewayError {
    let mentioned = refusal.payment_intent;
    match refusal.r#type.as_str() {
        "card_error" => GatewayError::Declined {
            code: refusal.code.unwrap_or_else(|| "card_declined".to_owned()),
            decline_code: refusal.decline_code,
            intent: mentioned.and_then(|intent| IntentId::parse(intent.id).ok()),
        },
        "invalid_request_error" | "idempotency_error" => GatewayError::Invalid {
            code: refusal.code,
            message: format!("{} (request {request})", cut(&refusal.message)),
            param: refusal.param,
            intent_status: mentioned.map(|intent| IntentStatus::from_stripe(&intent.status)),
        },
        _ => nothing_said(status, request),
    }
}

fn busy(code: &str, request: &str) -> GatewayError {
    GatewayError::Unavailable(Box::new(Doubt::Busy {
        code: code.to_owned(),
        request: request.to_owned(),
    }))
}

fn nothing_said(status: u16, request: &str) -> GatewayError {
    GatewayError::Unknown(Box::new(Doubt::Status {
        status,
        request: request.to_owned(),
    }))
}

/// An answer longer than any of Stripe's.
pub(super) fn too_long(limit: usize) -> GatewayError {
    GatewayError::Unknown(Box::new(Doubt::TooLong(limit)))
}

/// A success that does not say of what.
pub(super) fn unreadable(cause: impl Into<Cause>) -> GatewayError {
    GatewayError::Unknown(cause.into())
}

/// No answer, or half of one. Only what failed before anything was sent is certain.
pub(super) fn transport(error: reqwest::Error) -> GatewayError {
    let error = error.without_url();
    if error.is_builder() {
        GatewayError::Invalid {
            code: None,
            message: format!("the request cannot be written: {error}"),
            param: None,
            intent_status: None,
        }
    } else if error.is_connect() {
        GatewayError::Unavailable(Box::new(error))
    } else {
        GatewayError::Unknown(Box::new(error))
    }
}

/// The name under which Stripe's support finds a call.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let id = headers.get("request-id").and_then(|id| id.to_str().ok());
    id.unwrap_or("without id").to_owned()
}

/// Whether the answer is a stored one: that of an earlier call under the same key.
pub(super) fn is_replayed(headers: &HeaderMap) -> bool {
    headers
        .get("idempotent-replayed")
        .is_some_and(|value| value == "true")
}

fn cut(message: &str) -> String {
    message.chars().take(MESSAGE_LIMIT).collect()
}
