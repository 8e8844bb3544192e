//! Why a call failed, and what may be done about it.

use std::error::Error;

use crate::{IntentId, IntentStatus};

/// What lies beneath a failure.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a call failed.
///
/// The variants differ in what a caller may do next. Each speaks of *this* call only: what an earlier
/// call under the same key did, and did not get to say, it does not know.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The bank said no, for good. Tell the customer; another card is another order. Under the same
    /// key the answer stays the same.
    #[error("the card was declined ({code})")]
    Declined {
        /// The provider's code, such as `card_declined`.
        code: String,
        /// The bank's own reason, such as `insufficient_funds`. Some reasons are not for the
        /// customer's eyes (`stolen_card`): never repeat it to them.
        decline_code: Option<String>,
        /// The payment that was declined. Nothing is held on it.
        intent: Option<IntentId>,
    },
    /// The request can never succeed as it stands: a wrong field, an unknown payment method or
    /// payment, a key that belongs to another request, or a payment in another state than the
    /// operation needs. Do not repeat it. If `intent_status` is there, go by that: a capture of what
    /// has `Succeeded` is done.
    #[error("the provider refused the request ({}): {message}", code.as_deref().unwrap_or("no code"))]
    Invalid {
        /// The provider's code, such as `resource_missing`.
        code: Option<String>,
        /// The provider's words, for the log.
        message: String,
        /// The field that is wrong, in the provider's notation.
        param: Option<String>,
        /// Where the payment stands, if the provider said so.
        intent_status: Option<IntentStatus>,
    },
    /// The provider does not know the key, or the key may not do this: the configuration is wrong,
    /// not the request. Nothing happened. Repeat it later, when a person has put it right.
    #[error("the provider does not accept the key (HTTP {status}): {message}")]
    Unauthorised {
        /// 401 or 403.
        status: u16,
        /// The provider's words, for the log.
        message: String,
    },
    /// Too many calls. Nothing happened. Repeat it later, under the same key.
    #[error("the provider asks for fewer calls")]
    RateLimited,
    /// The provider was not reached, or was busy with the same payment. Nothing happened. Repeat it
    /// later, under the same key.
    #[error("the provider is not available")]
    Unavailable(#[source] Cause),
    /// Nobody knows whether it happened: no answer came, or one that says nothing. Never treat it as
    /// a refusal. Repeat it under the same key, which acts at most once and brings the first answer.
    #[error("the provider's answer is unknown")]
    Unknown(#[source] Cause),
    /// A server error that an earlier call under the same key was answered with, brought again: this call did
    /// nothing, the earlier one may have acted, and the key will only ever repeat itself.
    /// [`find`](crate::Gateway::find) the payment, once the search's lag has passed, and go on from what it is.
    #[error("the provider repeats a server error that it has stored under the key")]
    Replayed(#[source] Cause),
}
