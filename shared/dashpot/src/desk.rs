//! What becomes of one message, and what the queue is told: the part of a consumer that its kinds have in common.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout_at;

use crate::clock::Clock;
use crate::decode::{FromMessage, Undecodable};
use crate::failure::{Disposition, Failure};
use crate::message::Message;
use crate::outcome::{Fate, Outcome, Subject};
use crate::pipeline::{Batch, age};
use crate::queue::{ParkNote, Queue, QueueError};
use crate::recovery::{LONGEST_DELAY, Problem, Reason, Recovery, Verdict, whole_seconds};

/// Where a consumer's messages are decided about: its name, its queue, its policy.
pub(crate) struct Desk<Q> {
    pub(crate) service: &'static str,
    pub(crate) queue: Q,
    pub(crate) recovery: Recovery,
    /// How long before the invocation's end everything unsettled is reported failed.
    pub(crate) margin: Duration,
    pub(crate) log: Arc<dyn Fn(&str) + Send + Sync>,
}

impl<Q> Desk<Q> {
    pub(crate) fn new(service: &'static str, queue: Q) -> Self {
        Self {
            service,
            queue,
            recovery: Recovery::default(),
            margin: Duration::from_secs(1),
            log: Arc::new(crate::telemetry::to_stdout),
        }
    }

    /// The same with another queue.
    pub(crate) fn with_queue<R>(self, queue: R) -> Desk<R> {
        Desk {
            service: self.service,
            queue,
            recovery: self.recovery,
            margin: self.margin,
            log: self.log,
        }
    }
}

impl<Q: Queue> Desk<Q> {
    /// Reads a message that was taken up at `now`; one that cannot be read has its outcome.
    pub(crate) async fn read<E: FromMessage>(
        &self,
        message: &Message<'_>,
        clock: Clock,
        now: u64,
    ) -> Result<(E, Subject), Outcome> {
        let decode = AssertUnwindSafe(|| match &message.defect {
            Some(defect) => Err(Undecodable::malformed(defect)),
            None => E::from_message(message),
        });
        let (subject, problem, detail) = match catch_unwind(decode) {
            Ok(Ok(event)) => {
                let subject = Subject::of(message, &event, now);
                return Ok((event, subject));
            }
            Ok(Err(undecodable)) => {
                let problem = if undecodable.not_yet {
                    Problem::NotYetKnown
                } else {
                    Problem::Malformed
                };
                (Subject::from(&undecodable), problem, undecodable.detail)
            }
            Err(panic) => {
                let detail = format!("reading it panicked: {}", panic_text(panic.as_ref()));
                (Subject::default(), Problem::Panicked, detail)
            }
        };
        Err(self.end(message, subject, problem, &detail, clock).await)
    }

    /// Decides about a message that was not handled, and parks it if that is the verdict.
    pub(crate) async fn end(
        &self,
        message: &Message<'_>,
        subject: Subject,
        problem: Problem,
        detail: &str,
        clock: Clock,
    ) -> Outcome {
        let detail = cut(detail);
        let now = clock.now();
        let verdict = self.recovery.decide(
            problem,
            message.attempt(),
            age(message, now),
            fastrand::f64(),
        );
        let reason = match verdict {
            Verdict::Delay(delay) if Q::PRESENT => {
                return subject.outcome(Fate::Delayed(delay), detail);
            }
            Verdict::Delay(_) => return subject.outcome(Fate::Returned, detail),
            Verdict::Park(reason) => reason,
        };
        match self.park(message, &subject, reason, &detail, now).await {
            Ok(()) => subject.outcome(Fate::Parked(reason), detail),
            // Redelivery, and in the end SQS's own redrive, keep it.
            Err(error) => subject.outcome(
                Fate::Returned,
                format!("{}: {detail}; not parked: {error}", reason.as_str()),
            ),
        }
    }

    async fn park(
        &self,
        message: &Message<'_>,
        subject: &Subject,
        reason: Reason,
        detail: &str,
        now: u64,
    ) -> Result<(), QueueError> {
        let redrives = message
            .sender_attributes()
            .get("redrives")
            .and_then(|attribute| attribute.string_value.as_deref()?.parse().ok())
            .unwrap_or_default();
        let note = ParkNote {
            reason: reason.as_str(),
            detail,
            consumer: self.service,
            source_queue: &message.source_arn,
            message_id: &message.message_id,
            event_id: subject.event_id.as_deref(),
            event_type: subject.event_type.as_deref(),
            attempts: message.attempt(),
            first_seen: message.first_received(),
            parked_at: now,
            fingerprint: ParkNote::fingerprint(reason.as_str(), detail),
            redrives,
        };
        self.queue.park(message, &note).await
    }

    /// A message that did not run comes back with backoff, however old it is: it has not had its try.
    pub(crate) fn delayed(&self, message: &Message<'_>) -> Outcome {
        let mut outcome = no_turn();
        if Q::PRESENT {
            let delay = self.recovery.delay(message.attempt(), fastrand::f64());
            outcome.fate = Fate::Delayed(delay);
        }
        outcome
    }

    /// A message that failed among others comes back after the time that such a failure takes, however old it is.
    pub(crate) fn put_off(&self, message: &Message<'_>, failure: &Failure) -> Outcome {
        let mut outcome = self.delayed(message);
        if let (Fate::Delayed(delay), Disposition::RetryAfter(after)) =
            (&mut outcome.fate, failure.disposition())
        {
            *delay = whole_seconds(after.min(LONGEST_DELAY));
        }
        outcome.detail = cut(&failure.to_string());
        outcome
    }

    /// Deletes what is settled; false when that is not certain.
    pub(crate) async fn delete(&self, batch: &Batch<'_>, deleted: &mut [bool]) -> bool {
        let settled: Vec<usize> = (0..batch.messages.len())
            .filter(|&i| !deleted[i])
            .filter(|&i| {
                batch.outcomes[i]
                    .as_ref()
                    .is_some_and(|o| o.fate.is_settled())
            })
            .collect();
        if settled.is_empty() || !Q::PRESENT {
            return true;
        }
        let receipts: Vec<&str> = settled
            .iter()
            .map(|&i| batch.messages[i].receipt_handle.as_ref())
            .collect();
        let done = timeout_at(batch.deadline, self.queue.delete(&receipts)).await;
        if matches!(done, Ok(Ok(()))) {
            for index in settled {
                deleted[index] = true;
            }
            return true;
        }
        false
    }

    /// Tells the queue when messages are to come back.
    pub(crate) async fn delay(&self, batch: &Batch<'_>, indices: &[usize]) {
        let delays: Vec<(&str, Duration)> = indices
            .iter()
            .filter_map(|&i| match batch.outcomes[i].as_ref()?.fate {
                Fate::Delayed(delay) => Some((batch.messages[i].receipt_handle.as_ref(), delay)),
                _ => None,
            })
            .collect();
        if !delays.is_empty() {
            // At best: without it they come back when their visibility time-out ends.
            let _ = timeout_at(batch.last_call, self.queue.delay(&delays)).await;
        }
    }
}

pub(crate) const OUT_OF_TIME: &str = "the handler was still at it when the invocation's time ended";
/// How much is told about what went wrong, in characters.
const LONGEST_DETAIL: usize = 512;
const NO_TURN: &str = "the invocation's time ended before its turn";

/// What becomes of a message that nobody got to.
pub(crate) fn no_turn() -> Outcome {
    Subject::default().outcome(Fate::Returned, NO_TURN.to_owned())
}

fn cut(detail: &str) -> String {
    detail.chars().take(LONGEST_DETAIL).collect()
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}
