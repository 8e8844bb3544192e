//! What a handler is told besides the event.

use std::time::Duration;

use dashpot_envelope::Metadata;
use tokio::time::Instant;

use crate::claim::Claimed;
use crate::clock::Clock;
use crate::correlation::is_traceparent;
use crate::message::Message;
use crate::outcome::Subject;
use crate::pipeline::age;

/// The delivery that is being handled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Context {
    /// The consumer's name.
    pub service: &'static str,
    /// The idempotency key: the event's id, or a name-based UUID of the content.
    pub event_id: String,
    /// Follows the customer's request through every service.
    pub correlation_id: String,
    /// How many events lie between this one and the customer's request.
    pub hops: u32,
    /// SQS's id of the message.
    pub message_id: String,
    /// How often it was received, this time included.
    pub attempt: u32,
    /// How long ago it was first received.
    pub age: Duration,
    /// When it was taken up, in milliseconds since the Unix epoch.
    pub now: u64,
    /// When the answer must be on its way.
    pub deadline: Instant,
    /// The trace that it belongs to, as in the header `traceparent`.
    pub traceparent: Option<String>,
    pub(crate) clock: Clock,
    pub(crate) claimed: Option<Claimed>,
}

impl Context {
    /// The context of a first delivery, with half a minute left: where tests and examples start from.
    pub fn first_delivery(service: &'static str, event_id: impl Into<String>) -> Self {
        let (event_id, clock) = (event_id.into(), Clock::system());
        Self {
            service,
            correlation_id: event_id.clone(),
            message_id: event_id.clone(),
            event_id,
            hops: 0,
            attempt: 1,
            age: Duration::ZERO,
            now: clock.now(),
            deadline: Instant::now() + Duration::from_secs(30),
            traceparent: None,
            clock,
            claimed: None,
        }
    }

    /// The context of a message that was taken up at `now`, and read.
    pub(crate) fn of(
        service: &'static str,
        message: &Message<'_>,
        metadata: Option<&Metadata>,
        subject: &Subject,
        deadline: Instant,
        clock: Clock,
        now: u64,
    ) -> Self {
        let event_id = subject.event_id.clone().unwrap_or_default();
        let correlation_id = subject.correlation_id.clone();
        Self {
            service,
            correlation_id: correlation_id.unwrap_or_else(|| event_id.clone()),
            event_id,
            hops: metadata.map_or(0, |metadata| metadata.hops),
            message_id: message.message_id.clone().into_owned(),
            attempt: message.attempt(),
            age: age(message, now),
            now,
            deadline,
            traceparent: message
                .text_attribute("traceparent")
                .filter(|text| is_traceparent(text)),
            clock,
            claimed: None,
        }
    }

    /// The same, with a claim in hand.
    #[must_use]
    pub fn with_claim(mut self, claimed: Claimed) -> Self {
        self.claimed = Some(claimed);
        self
    }

    /// The claim that was taken for this event; none where the handler asked for none.
    #[must_use]
    pub fn claimed(&self) -> Option<&Claimed> {
        self.claimed.as_ref()
    }

    /// Whether an earlier try may have had its effect outside: ask before repeating it.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        self.claimed
            .as_ref()
            .is_some_and(|claimed| claimed.may_have_happened)
    }

    /// The time left before the answer must be on its way.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
