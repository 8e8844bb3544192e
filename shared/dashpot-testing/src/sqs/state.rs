//! What lies in a queue, and when it moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error::SqsError;
use super::message::{Message, Received, Snapshot, Standing};
use super::visible::Visible;

/// The most that a message can be hidden, counted from the receive: 12 h.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>
pub(super) const LONGEST_VISIBILITY: Duration = Duration::from_hours(12);

/// The most messages of a queue that can be in flight.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>
const MOST_IN_FLIGHT: usize = 120_000;

/// For how long a FIFO queue remembers a deduplication id.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html>
const DEDUPLICATED: Duration = Duration::from_mins(5);

#[derive(Debug)]
pub(super) struct State {
    fifo: bool,
    retention: Duration,
    messages: BTreeMap<u64, Stored>,
    last: u64,
    visible: Visible,
    hidden: BTreeSet<(Instant, u64)>,
    expiries: BTreeSet<(Instant, u64)>,
    in_flight: usize,
    deduplication: BTreeMap<String, (Instant, String)>,
    expired: Vec<Arc<Message>>,
}

#[derive(Debug)]
struct Stored {
    message: Arc<Message>,
    enqueued: Instant,
    /// Across all queues that it lay in.
    receive_count: u32,
    /// In this queue: what the redrive policy counts, and what tells receipts apart.
    receives: u32,
    first_received: Option<u64>,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Visible { rank: u64 },
    Delayed { until: Instant },
    InFlight { since: Instant, until: Instant },
}

/// A message that has lain in another queue, or in none.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) message: Arc<Message>,
    pub(super) enqueued: Instant,
    pub(super) receive_count: u32,
    pub(super) first_received: Option<u64>,
}

impl State {
    pub(super) fn new(fifo: bool, shuffled: bool, retention: Duration) -> Self {
        Self {
            fifo,
            retention,
            messages: BTreeMap::new(),
            last: 0,
            visible: Visible::new(fifo, shuffled),
            hidden: BTreeSet::new(),
            expiries: BTreeSet::new(),
            in_flight: 0,
            deduplication: BTreeMap::new(),
            expired: Vec::new(),
        }
    }

    /// Lets time pass: what is due becomes visible, what is too old goes.
    pub(super) fn pass(&mut self, now: Instant) {
        while let Some(&(at, number)) = self.hidden.first()
            && at <= now
        {
            self.hidden.pop_first();
            self.show(number);
        }
        while let Some(&(at, number)) = self.expiries.first()
            && at <= now
        {
            if let Some(gone) = self.remove(number) {
                self.expired.push(gone.message);
            }
        }
    }

    pub(super) fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// The message that was sent with this deduplication id in the last five minutes.
    pub(super) fn duplicate_of(&mut self, id: &str, now: Instant) -> Option<String> {
        self.deduplication
            .retain(|_, (sent, _)| now < *sent + DEDUPLICATED);
        self.deduplication
            .get(id)
            .map(|(_, message)| message.clone())
    }

    pub(super) fn add(&mut self, arrival: Arrival, delay: Duration, now: Instant) {
        self.last += 1;
        let number = self.last;
        if let Some(id) = &arrival.message.deduplication_id {
            let sent = (now, arrival.message.message_id.clone());
            self.deduplication.insert(id.clone(), sent);
        }
        let until = now + delay;
        self.expiries
            .insert((arrival.enqueued + self.retention, number));
        self.messages.insert(
            number,
            Stored {
                message: arrival.message,
                enqueued: arrival.enqueued,
                receive_count: arrival.receive_count,
                receives: 0,
                first_received: arrival.first_received,
                place: Place::Delayed { until },
            },
        );
        if delay.is_zero() {
            self.show(number);
        } else {
            self.hidden.insert((until, number));
        }
    }

    /// Receives at most so many; what would be received once too often is given up instead.
    pub(super) fn receive(
        &mut self,
        max: usize,
        most_receives: Option<u32>,
        visibility: Duration,
        now: (Instant, u64),
        receipt: impl Fn(u64, u32) -> String,
    ) -> Result<(Vec<Received>, Vec<Arrival>), SqsError> {
        if self.in_flight >= MOST_IN_FLIGHT && !self.fifo {
            return Err(SqsError::OverLimit);
        }
        let (now, millis) = now;
        let (mut received, mut given_up) = (Vec::new(), Vec::new());
        let mut draining = None;
        while received.len() < max
            && let Some(number) = self.visible.take(&mut draining)
        {
            let Some(stored) = self.messages.get_mut(&number) else {
                continue;
            };
            if most_receives.is_some_and(|most| stored.receives >= most) {
                // No longer among the visible: it was taken.
                self.expiries
                    .remove(&(stored.enqueued + self.retention, number));
                if let Some(stored) = self.messages.remove(&number) {
                    given_up.push(stored.leave());
                }
                continue;
            }
            stored.receives += 1;
            stored.receive_count += 1;
            let until = now + visibility;
            stored.place = Place::InFlight { since: now, until };
            received.push(Received {
                message: Arc::clone(&stored.message),
                receipt: receipt(number, stored.receives),
                receive_count: stored.receive_count,
                first_received: *stored.first_received.get_or_insert(millis),
            });
            self.visible.depart(stored.group());
            self.hidden.insert((until, number));
            self.in_flight += 1;
        }
        self.visible.close(draining);
        Ok((received, given_up))
    }

    /// Deletes a delivery; whether the message is gone.
    pub(super) fn delete(&mut self, number: u64, receive: u32) -> Result<bool, SqsError> {
        let Some(stored) = self.messages.get(&number) else {
            return Ok(true);
        };
        let stale = stored.receives != receive;
        let expired = !matches!(stored.place, Place::InFlight { .. });
        if self.fifo && (stale || expired) {
            let expired = "the receipt handle has expired".to_owned();
            return Err(SqsError::InvalidParameterValue(expired));
        }
        Ok(!stale && self.remove(number).is_some())
    }

    pub(super) fn change_visibility(
        &mut self,
        (number, receive): (u64, u32),
        visibility: Duration,
        now: Instant,
    ) -> Result<(), SqsError> {
        let Some(stored) = self.messages.get_mut(&number) else {
            return Err(SqsError::InvalidParameterValue(
                "the message does not exist".into(),
            ));
        };
        let Place::InFlight { since, until } = stored.place else {
            return Err(SqsError::MessageNotInflight);
        };
        if stored.receives != receive {
            return Err(SqsError::InvalidParameterValue(
                "the receipt handle is not that of the last receive".into(),
            ));
        }
        let later = now + visibility;
        if later > since + LONGEST_VISIBILITY {
            return Err(SqsError::InvalidParameterValue(
                "the message would be hidden for more than 43200 seconds".into(),
            ));
        }
        stored.place = Place::InFlight {
            since,
            until: later,
        };
        self.hidden.remove(&(until, number));
        if visibility.is_zero() {
            self.show(number);
        } else {
            self.hidden.insert((later, number));
        }
        Ok(())
    }

    /// Makes a message in flight visible although somebody has it; whether there was one.
    pub(super) fn show_again(&mut self, message_id: &str) -> bool {
        let found = self.messages.iter().find_map(|(number, stored)| {
            let Place::InFlight { until, .. } = stored.place else {
                return None;
            };
            (stored.message.message_id == message_id).then_some((until, *number))
        });
        let Some((until, number)) = found else {
            return false;
        };
        self.hidden.remove(&(until, number));
        self.show(number);
        true
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> Vec<Arrival> {
        let numbers: Vec<u64> = self.messages.keys().copied().collect();
        let removed = numbers.into_iter().filter_map(|number| self.remove(number));
        removed.map(Stored::leave).collect()
    }

    pub(super) fn next_visible(&self) -> Option<Instant> {
        self.hidden.first().map(|(at, _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn expired(&self) -> Vec<Arc<Message>> {
        self.expired.clone()
    }

    pub(super) fn snapshots(&self) -> Vec<Snapshot> {
        let snapshot = |stored: &Stored| Snapshot {
            message: Arc::clone(&stored.message),
            receive_count: stored.receive_count,
            standing: match stored.place {
                Place::Visible { .. } => Standing::Visible,
                Place::Delayed { .. } => Standing::Delayed,
                Place::InFlight { .. } => Standing::InFlight,
            },
        };
        self.messages.values().map(snapshot).collect()
    }

    fn show(&mut self, number: u64) {
        let Some(stored) = self.messages.get_mut(&number) else {
            return;
        };
        let group = stored.message.group.as_deref().unwrap_or_default();
        if matches!(stored.place, Place::InFlight { .. }) {
            self.in_flight -= 1;
            self.visible.land(group);
        }
        let rank = self.visible.show(number, group);
        stored.place = Place::Visible { rank };
    }

    fn remove(&mut self, number: u64) -> Option<Stored> {
        let stored = self.messages.remove(&number)?;
        self.expiries
            .remove(&(stored.enqueued + self.retention, number));
        match stored.place {
            Place::Visible { rank } => self.visible.forget(number, rank, stored.group()),
            Place::Delayed { until } => drop(self.hidden.remove(&(until, number))),
            Place::InFlight { until, .. } => {
                self.hidden.remove(&(until, number));
                self.in_flight -= 1;
                self.visible.land(stored.group());
            }
        }
        Some(stored)
    }
}

impl Stored {
    fn group(&self) -> &str {
        self.message.group.as_deref().unwrap_or_default()
    }

    fn leave(self) -> Arrival {
        Arrival {
            message: self.message,
            enqueued: self.enqueued,
            receive_count: self.receive_count,
            first_received: self.first_received,
        }
    }
}
