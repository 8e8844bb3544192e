//! The way out: an event is a row, committed with the state that it tells of; the table's stream carries it on. So is a
//! command, with `to`, the queue that it goes to; `due`, when it arrives there; and `schedule`, the name under which it can
//! be taken back by a row that `cancels` it.

use crate::effects::{Emit, Way};
use crate::id::new_id;
use crate::row::{Key, Row, Write};
use crate::sendable::sendable_json;
use crate::shard::shard;
use dashpot_envelope::{Envelope, Event, Metadata};
use time::OffsetDateTime;

/// How long an outbox row is kept, in seconds: 35 days.
pub(crate) const KEPT_SECONDS: u64 = 35 * 24 * 3600;

/// The largest envelope, in bytes.
pub const LARGEST_ENVELOPE: usize = 200 * 1024;

/// The longest chain of events that cause one another. Lambda's own loop detection does not see through a
/// DynamoDB stream.
pub const MOST_HOPS: u32 = 16;

/// What an event follows from.
#[derive(Debug, Clone)]
pub struct Origin<'a> {
    /// The service that says the event.
    pub source: &'a str,
    /// Follows the customer's request.
    pub correlation_id: &'a str,
    /// The event that caused it; none at the start of a chain.
    pub causation_id: Option<&'a str>,
    /// How many events lie between it and the customer's request.
    pub hops: u32,
    /// The trace that it belongs to.
    pub traceparent: Option<&'a str>,
    /// Now, in milliseconds since the Unix epoch.
    pub now: u64,
}

/// An event that cannot be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The chain is longer than [`MOST_HOPS`]: services are answering one another in a circle.
    #[error(
        "{event_type} would be the {hops}th event of one chain: services answer one another in a circle"
    )]
    TooManyHops {
        /// The event.
        event_type: &'static str,
        /// Its place in the chain.
        hops: u32,
    },
    /// The envelope is larger than [`LARGEST_ENVELOPE`].
    #[error("the envelope of {event_type} has {bytes} bytes; at most {LARGEST_ENVELOPE} are taken")]
    TooLarge {
        /// The event.
        event_type: &'static str,
        /// The size of its envelope.
        bytes: usize,
    },
    /// The payload cannot be written as JSON.
    #[error("the payload of {event_type} cannot be written as JSON")]
    Unwritable {
        /// The event.
        event_type: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl Origin<'_> {
    /// The outbox row that says an event: for producers that are not consumers.
    ///
    /// # Errors
    /// [`OutboxError`] when the event is too large, or one too many in a chain.
    pub fn says<T: Event>(&self, event: &T) -> Result<Write, OutboxError> {
        self.append(Emit::new(event))
    }

    /// The outbox row that sends a command to the queue of that logical name: see
    /// [`Effects::command`](crate::Effects::command).
    ///
    /// # Errors
    /// As [`says`](Self::says).
    pub fn sends<T: Event>(
        &self,
        to: impl Into<String>,
        command: &T,
    ) -> Result<Write, OutboxError> {
        let way = Some(Way::to(to));
        self.append(Emit {
            way,
            ..Emit::new(command)
        })
    }

    pub(crate) fn append(&self, emit: Emit) -> Result<Write, OutboxError> {
        let Emit {
            way,
            event_type,
            version,
            subject,
            group,
            payload,
        } = emit;
        if self.hops > MOST_HOPS {
            return Err(OutboxError::TooManyHops {
                event_type,
                hops: self.hops,
            });
        }
        let unwritable = |source| OutboxError::Unwritable { event_type, source };
        let id = new_id(self.now).to_string();
        let body = serde_json::to_string(&Envelope {
            event_type: event_type.to_owned(),
            payload: payload.map_err(unwritable)?,
            metadata: Metadata {
                id: id.clone(),
                timestamp: self.now,
                correlation_id: self.correlation_id.to_owned(),
                causation_id: self.causation_id.map(str::to_owned),
                version,
                source: Some(self.source.to_owned()),
                subject: Some(subject),
                hops: self.hops,
            },
        })
        .map_err(unwritable)?;
        // Else the topic would refuse it, and so would every queue that it could be parked in.
        let body = sendable_json(&body).into_owned();
        if body.len() > LARGEST_ENVELOPE {
            return Err(OutboxError::TooLarge {
                event_type,
                bytes: body.len(),
            });
        }
        let partition = format!("outbox#{}#{}", hour(self.now), shard(&id));
        let mut row = Row::new(Key::of(partition, id))
            .set("type", event_type)
            .set("version", version)
            .set("correlationId", self.correlation_id)
            .set("group", group)
            .set("body", body)
            .set("expiresAt", self.now / 1000 + KEPT_SECONDS);
        if let Some(way) = way {
            row = row.set("to", way.to);
            if let Some(due) = way.due {
                row = row.set("due", due);
            }
            if let Some(name) = way.schedule {
                let attribute = if way.cancels { "cancels" } else { "schedule" };
                row = row.set(attribute, name);
            }
        }
        if let Some(traceparent) = self.traceparent {
            row = row.set("traceparent", traceparent);
        }
        Ok(Write::create(row))
    }
}

/// The hour of a moment, in UTC: `2026112413`. Moments are milliseconds since the Unix epoch.
#[must_use]
pub fn hour(moment: u64) -> String {
    let date = date(moment);
    let (year, month, day) = date.to_calendar_date();
    format!("{year:04}{:02}{day:02}{:02}", u8::from(month), date.hour())
}

/// The day of a moment, in UTC: `2026-11-24`. Moments are milliseconds since the Unix epoch.
#[must_use]
pub fn day(moment: u64) -> String {
    let (year, month, day) = date(moment).to_calendar_date();
    format!("{year:04}-{:02}-{day:02}", u8::from(month))
}

/// A moment beyond the calendar, which only a broken or hostile clock tells, counts as its last second.
fn date(moment: u64) -> OffsetDateTime {
    const LAST_SECOND: i64 = 253_402_300_799;
    let seconds = i64::try_from(moment / 1000).map_or(LAST_SECOND, |s| s.min(LAST_SECOND));
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_a_day_and_an_hour() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(951_782_400_000), "2000-02-29");
        assert_eq!(hour(1_732_464_000_000), "2024112416");
        assert_eq!(day(u64::MAX), "9999-12-31");
    }
}
