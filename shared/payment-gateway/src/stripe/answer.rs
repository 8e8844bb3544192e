//! What an answer of the provider means, without the call that it answers: HTTP status and body.

use serde::de::DeserializeOwned;

use super::{is_success, refusal, wire};
use crate::{GatewayError, Intent, Refund};

/// What is read of a call that has no name.
const NAMELESS: &str = "without id";

/// The answer to a call about one payment.
///
/// # Errors
/// What the answer says, or that it says nothing: see [`GatewayError`].
pub fn intent(status: u16, body: &[u8]) -> Result<Intent, GatewayError> {
    let answer: wire::Intent = read(status, body, NAMELESS)?;
    answer.try_into().map_err(refusal::unreadable)
}

/// The answer to a refund.
///
/// # Errors
/// As in [`intent`].
pub fn refund(status: u16, body: &[u8]) -> Result<Refund, GatewayError> {
    let answer: wire::Refund = read(status, body, NAMELESS)?;
    answer.try_into().map_err(refusal::unreadable)
}

/// The answer to a search for payments.
///
/// # Errors
/// As in [`intent`].
pub fn found(status: u16, body: &[u8]) -> Result<Vec<Intent>, GatewayError> {
    let answer: wire::Found = read(status, body, NAMELESS)?;
    answer.try_into().map_err(refusal::unreadable)
}

pub(super) fn read<T: DeserializeOwned>(
    status: u16,
    body: &[u8],
    request_id: &str,
) -> Result<T, GatewayError> {
    if is_success(status) {
        strict_json::from_slice(body).map_err(refusal::unreadable)
    } else {
        Err(refusal::classify(status, body, request_id))
    }
}
