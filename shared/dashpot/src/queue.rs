//! The port to the consumer's own queue and its dead-letter queue.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use crate::message::Message;
use crate::sendable::sendable_json;

/// What the pipeline asks of SQS.
pub trait Queue: Send + Sync {
    /// Whether there is a queue at all; [`NoQueue`] has none.
    const PRESENT: bool = true;

    /// Makes deliveries invisible for so long: pairs of receipt handle and delay. At best: one that fails
    /// comes back when its visibility time-out ends.
    fn delay(&self, delays: &[(&str, Duration)]) -> impl Future<Output = ()> + Send;

    /// Deletes deliveries, by receipt handle.
    ///
    /// # Errors
    /// [`QueueError`] when it is not certain that all are deleted.
    fn delete(&self, receipts: &[&str]) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Sends a message, with its note, to the dead-letter queue.
    ///
    /// # Errors
    /// [`QueueError`] when it is not certain that it lies there, or when it does not fit there.
    fn park(
        &self,
        message: &Message<'_>,
        note: &ParkNote<'_>,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// SQS did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue failed: {0}")]
pub struct QueueError(pub String);

/// What a parked message says about itself: the JSON of its attribute `dashpot`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkNote<'a> {
    /// See [`Reason`](crate::Reason).
    pub reason: &'static str,
    /// What exactly, at most 512 characters, without a word of the content.
    pub detail: &'a str,
    /// Who parked it.
    pub consumer: &'a str,
    /// The ARN of the queue that it came from.
    pub source_queue: &'a str,
    /// SQS's id of it in that queue.
    pub message_id: &'a str,
    /// The event's id, if it could be read.
    pub event_id: Option<&'a str>,
    /// The event's name, if it could be read.
    #[serde(rename = "type")]
    pub event_type: Option<&'a str>,
    /// How often it was received.
    pub attempts: u32,
    /// When it was first received, in milliseconds since the Unix epoch.
    pub first_seen: Option<u64>,
    /// When it was parked, in milliseconds since the Unix epoch.
    pub parked_at: u64,
    /// The same for messages that failed for the same cause.
    pub fingerprint: String,
    /// How often it had been replayed before.
    pub redrives: u32,
}

impl ParkNote<'_> {
    /// What messages that failed for the same cause have in common. Numbers in the detail (a line, a column, a size)
    /// tell messages apart, not causes.
    #[must_use]
    pub fn fingerprint(reason: &str, detail: &str) -> String {
        let words: String = detail.chars().filter(|c| !c.is_ascii_digit()).collect();
        let cause = format!("{reason}\n{words}");
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, cause.as_bytes());
        name.simple().to_string()[..16].to_owned()
    }

    /// The attribute's value: JSON, in characters that SQS takes.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings and numbers: nothing that serde_json could refuse.
        let json = serde_json::to_string(self).unwrap_or_default();
        sendable_json(&json).into_owned()
    }
}

/// Under which group and deduplication id a message is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkedAs<'a> {
    /// The message's own group: what keeps order on a FIFO queue; on a standard queue, which takes it as well, whose
    /// message it is.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagegroupid-property.html>
    pub group: Option<&'a str>,
    /// On a FIFO queue, SQS's id of the message: as it is when SQS itself gives a message up. However often a park is
    /// repeated, because its answer was lost or the message could not be deleted, it lies there once; what is replayed
    /// has a new id, and can be parked again at once. A standard queue takes none.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>
    pub deduplication_id: Option<&'a str>,
}

impl<'a> ParkedAs<'a> {
    /// For a dead-letter queue that is FIFO, or is not.
    #[must_use]
    pub fn of(message: &'a Message<'_>, fifo: bool) -> Self {
        let id: &str = &message.message_id;
        Self {
            // A FIFO queue takes nothing without a group.
            group: message.group().or(fifo.then_some(id)),
            deduplication_id: fifo.then_some(id),
        }
    }
}

/// No queue: nothing is delayed or parked, failed messages come back when their visibility time-out ends, and
/// SQS's own redrive policy ends them.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoQueue;

impl Queue for NoQueue {
    const PRESENT: bool = false;

    async fn delay(&self, _: &[(&str, Duration)]) {}

    async fn delete(&self, _: &[&str]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn park(&self, _: &Message<'_>, _: &ParkNote<'_>) -> Result<(), QueueError> {
        Err(QueueError("this consumer has no dead-letter queue".into()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_failed_for_the_same_cause_has_the_same_fingerprint_wherever_it_lay() {
        let of = |detail| ParkNote::fingerprint("malformed", detail);
        assert_eq!(
            of("missing field `a` at line 1 column 20"),
            of("missing field `a` at line 2 column 311")
        );
        assert_ne!(of("missing field `a`"), of("missing field `b`"));
        assert_ne!(of("x"), ParkNote::fingerprint("permanent", "x"));
        assert_eq!(of("x").len(), 16);
    }

    #[test]
    fn a_note_about_hostile_words_can_be_sent() {
        let note = ParkNote {
            reason: "malformed",
            detail: "a\u{1}b",
            consumer: "inventory",
            source_queue: "arn",
            message_id: "m",
            event_id: Some("\u{fffe}"),
            event_type: Some("\u{ffff}"),
            attempts: 1,
            first_seen: None,
            parked_at: 0,
            fingerprint: String::new(),
            redrives: 0,
        };
        let json = note.to_json();
        assert!(crate::sendable::is_sendable(&json), "{json:?}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["eventId"], "\u{fffe}");
    }
}
