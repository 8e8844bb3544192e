//! What Lambda hands over besides the event, and what it wants to hear.

use std::time::Duration;

use dashpot_envelope::Malformed;
use serde::Serialize;
use tokio::time::Instant;

use crate::clock::Clock;

/// One invocation of the function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda's id of it.
    pub request_id: String,
    /// When Lambda ends the process.
    pub deadline: Instant,
    /// The wall clock.
    pub clock: Clock,
}

/// An invocation with half a minute left: where tests and examples start from.
impl Default for Invocation {
    fn default() -> Self {
        Self {
            request_id: String::new(),
            deadline: Instant::now() + Duration::from_secs(30),
            clock: Clock::system(),
        }
    }
}

/// The answer to Lambda: the messages that must come back. Everything else is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// The messages that must come back; empty means complete success.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// A message that must come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// SQS's id of the message.
    pub item_identifier: String,
}

/// The invocation's payload is not an SQS event: the function is wired to something else, or was invoked by
/// hand with the wrong file. Nothing of it is deleted.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEvent {
    /// It has another shape.
    #[error("the payload is not an SQS event: {0}")]
    Shape(Malformed),
    /// A record has no id that the answer could name.
    #[error("a record of the SQS event has an empty messageId")]
    NoMessageId,
}
