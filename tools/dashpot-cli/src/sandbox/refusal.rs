//! Errors as Stripe words them: <https://docs.stripe.com/api/errors>.

use hyper::Method;
use serde_json::{Value, json};

use super::cards::{Decline, GENERIC};
use super::intent::Intent;

/// An error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// What stands under `error`.
    pub(super) error: Value,
    /// The payment that it is about.
    pub(super) intent: Option<String>,
    /// Whether the request got to work, so that its answer is kept for a repeat under the same key.
    pub(super) began: bool,
}

impl Refusal {
    fn new(status: u16, error: Value) -> Self {
        Self {
            status,
            error,
            intent: None,
            began: false,
        }
    }

    fn at_work(status: u16, error: Value, intent: &Intent) -> Self {
        Self {
            status,
            error,
            intent: Some(intent.id.clone()),
            began: true,
        }
    }
}

fn invalid(status: u16, code: &str, param: &str, message: &str) -> Refusal {
    Refusal::new(
        status,
        json!({
            "type": "invalid_request_error",
            "code": code,
            "doc_url": doc_url(code),
            "message": message,
            "param": param,
        }),
    )
}

fn doc_url(code: &str) -> String {
    format!(
        "https://docs.stripe.com/error-codes/{}",
        code.replace('_', "-")
    )
}

pub(super) fn no_key() -> Refusal {
    let message = "You did not provide an API key. You need to provide your API key in the Authorization \
                   header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').";
    Refusal::new(
        401,
        json!({ "type": "invalid_request_error", "message": message }),
    )
}

pub(super) fn wrong_key() -> Refusal {
    let message = "Invalid API Key provided: the sandbox takes test keys, sk_test_****";
    Refusal::new(
        401,
        json!({ "type": "invalid_request_error", "message": message }),
    )
}

pub(super) fn unknown_url(method: &Method, path: &str) -> Refusal {
    let message = format!("Unrecognized request URL ({method}: {path}).");
    Refusal::new(
        404,
        json!({ "type": "invalid_request_error", "message": message }),
    )
}

pub(super) fn missing_field(name: &str) -> Refusal {
    invalid(
        400,
        "parameter_missing",
        name,
        &format!("Missing required param: {name}."),
    )
}

pub(super) fn unknown_field(name: &str) -> Refusal {
    invalid(
        400,
        "parameter_unknown",
        name,
        &format!("Received unknown parameter: {name}"),
    )
}

pub(super) fn no_integer(name: &str, value: &str) -> Refusal {
    invalid(
        400,
        "parameter_invalid_integer",
        name,
        &format!("Invalid positive integer: {value}"),
    )
}

pub(super) fn amount_too_large(limit: u64) -> Refusal {
    let message = format!("Amount must be no more than {limit} in the currency's smallest unit.");
    invalid(400, "amount_too_large", "amount", &message)
}

pub(super) fn no_currency(value: &str) -> Refusal {
    let message = format!("Invalid currency: {value}.");
    Refusal::new(
        400,
        json!({ "type": "invalid_request_error", "message": message, "param": "currency" }),
    )
}

/// What Stripe offers and the sandbox does not.
pub(super) fn only(name: &str, value: &str) -> Refusal {
    invalid(
        400,
        "parameter_invalid_string",
        name,
        &format!("The sandbox knows only {name}={value}."),
    )
}

pub(super) fn no_expansion(property: &str) -> Refusal {
    Refusal::new(
        400,
        json!({
            "type": "invalid_request_error",
            "message": format!("This property cannot be expanded ({property})."),
        }),
    )
}

pub(super) fn no_query(query: &str) -> Refusal {
    let message = format!("The sandbox searches for metadata['order_id']:'…', not for: {query}");
    Refusal::new(
        400,
        json!({ "type": "invalid_request_error", "message": message, "param": "query" }),
    )
}

/// `status` is 404 if the payment was named in the path, 400 if in a field.
pub(super) fn no_intent(status: u16, param: &str, id: &str) -> Refusal {
    invalid(
        status,
        "resource_missing",
        param,
        &format!("No such payment_intent: '{id}'"),
    )
}

pub(super) fn no_payment_method(id: &str) -> Refusal {
    let message = format!("No such PaymentMethod: '{id}'");
    invalid(400, "resource_missing", "payment_method", &message)
}

pub(super) fn declined(decline: Decline, intent: &Intent) -> Refusal {
    let mut error = decline_error(decline);
    error["charge"] = json!(intent.charge_id());
    error["payment_intent"] = intent.to_stripe(false);
    Refusal::at_work(402, error, intent)
}

fn decline_error(decline: Decline) -> Value {
    let mut error = json!({
        "type": "card_error",
        "code": decline.code,
        "doc_url": doc_url(decline.code),
        "message": decline.message,
    });
    if let Some(reason) = decline.reason {
        error["decline_code"] = json!(reason);
    }
    error
}

/// The payment is not where `operation` (`captured`, `canceled`) needs it.
pub(super) fn unexpected_state(operation: &str, allowed: &str, intent: &Intent) -> Refusal {
    let code = "payment_intent_unexpected_state";
    let message = format!(
        "This PaymentIntent could not be {operation} because it has a status of {}. Only a PaymentIntent \
         with one of the following statuses may be {operation}: {allowed}.",
        intent.status.as_str(),
    );
    let error = json!({
        "type": "invalid_request_error",
        "code": code,
        "doc_url": doc_url(code),
        "message": message,
        "payment_intent": intent.to_stripe(false),
    });
    Refusal::at_work(400, error, intent)
}

pub(super) fn nothing_captured(intent: &Intent) -> Refusal {
    let message = format!(
        "This PaymentIntent ({}) does not have a successful charge to refund.",
        intent.id
    );
    let error =
        json!({ "type": "invalid_request_error", "message": message, "param": "payment_intent" });
    Refusal::at_work(400, error, intent)
}

pub(super) fn already_refunded(intent: &Intent) -> Refusal {
    let code = "charge_already_refunded";
    let message = format!("Charge {} has already been refunded.", intent.charge_id());
    let error = json!({
        "type": "invalid_request_error",
        "code": code,
        "doc_url": doc_url(code),
        "message": message,
    });
    Refusal::at_work(400, error, intent)
}

pub(super) fn more_than_captured(asked: u64, left: u64, intent: &Intent) -> Refusal {
    let message =
        format!("Refund amount ({asked}) is greater than unrefunded amount on charge ({left})");
    let error = json!({ "type": "invalid_request_error", "message": message, "param": "amount" });
    Refusal::at_work(400, error, intent)
}

pub(super) fn other_endpoint(key: &str, first: &str, now: &str) -> Refusal {
    idempotency(&format!(
        "Keys for idempotent requests can only be used for the same endpoint they were first used for \
         ('{now}' vs '{first}'). Try using a key other than '{key}' if you meant to execute a different \
         request."
    ))
}

pub(super) fn other_parameters(key: &str) -> Refusal {
    idempotency(&format!(
        "Keys for idempotent requests can only be used with the same parameters they were first used \
         with. Try using a key other than '{key}' if you meant to execute a different request."
    ))
}

fn idempotency(message: &str) -> Refusal {
    Refusal::new(
        400,
        json!({ "type": "idempotency_error", "message": message }),
    )
}

pub(super) fn key_in_use(key: &str) -> Refusal {
    let code = "idempotency_key_in_use";
    let message = format!(
        "There is currently another in-progress request using this Idempotent Key (that probably means \
         you submitted twice, and the other request is still going through): {key}."
    );
    Refusal::new(
        409,
        json!({
            "type": "idempotency_error",
            "code": code,
            "doc_url": doc_url(code),
            "message": message,
        }),
    )
}

/// A failure that was asked for.
pub(super) fn on_demand(status: u16) -> Refusal {
    let message = "The sandbox was told to fail.";
    let error = match status {
        402 => decline_error(GENERIC),
        429 => json!({ "type": "invalid_request_error", "code": "rate_limit", "message": message }),
        400..=499 => json!({ "type": "invalid_request_error", "message": message }),
        _ => json!({ "type": "api_error", "message": message }),
    };
    Refusal::new(status, error)
}
