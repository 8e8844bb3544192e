//! What happens to a batch: every message ends as exactly one of done, failed, parked.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::commit::Settled;
use crate::consumer::Consumer;
use crate::context::Context;
use crate::correlation::is_traceparent;
use crate::decode::{FromMessage, Undecodable, content_id};
use crate::message::{Message, SqsEvent};
use crate::mode::{Mode, Stopped};
use crate::queue::{ParkNote, Queue};
use crate::recovery::{Problem, Reason, Verdict};
use crate::telemetry::Report;

/// A message received so often may have been brought back by a crash of the process: it runs last and alone.
const SUSPECT_FROM: u32 = 3;

/// One invocation of the function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda's id of it.
    pub request_id: String,
    /// When Lambda ends the process.
    pub deadline: Instant,
}

/// An invocation with half a minute left: where tests and examples start from.
impl Default for Invocation {
    fn default() -> Self {
        Self {
            request_id: String::new(),
            deadline: Instant::now() + Duration::from_secs(30),
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
    #[error("the payload is not an SQS event: {}", crate::decode::describe(.0))]
    Shape(serde_json::Error),
    /// A record has no id that the answer could name.
    #[error("a record of the SQS event has an empty messageId")]
    NoMessageId,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Duplicate,
    Parked(Reason),
    /// It comes back after so long.
    Delayed(Duration),
    /// It comes back when its visibility time-out ends.
    Returned,
}

impl Fate {
    pub(crate) fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Duplicate | Self::Parked(_))
    }
}

/// A message's fate, and what is told about it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) fate: Fate,
    pub(crate) detail: String,
    pub(crate) event_id: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) handler_millis: Option<u64>,
    pub(crate) dwell_millis: Option<u64>,
}

impl Outcome {
    fn unsettled(detail: &str) -> Self {
        Self {
            fate: Fate::Returned,
            detail: detail.to_owned(),
            event_id: None,
            event_type: None,
            correlation_id: None,
            handler_millis: None,
            dwell_millis: None,
        }
    }
}

/// A message that ran, or could not.
struct Ran {
    outcome: Outcome,
    /// A suspect that has spoken, whatever it said: its note is to be removed.
    has_spoken: Option<Context>,
}

impl From<Outcome> for Ran {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            has_spoken: None,
        }
    }
}

/// The state of one batch; it lives on the stack of one invocation.
struct Batch<'a> {
    messages: &'a [Message<'a>],
    outcomes: Vec<Option<Outcome>>,
    /// When handlers are stopped, and none is started any more.
    deadline: Instant,
    /// When the answer goes out, whatever is still to be said to the queue.
    last_call: Instant,
}

impl<H, E, Q, M> Consumer<H, E, Q, M>
where
    H: Send + Sync,
    E: FromMessage,
    Q: Queue,
    M: Mode<H, E>,
{
    /// Handles the payload of one invocation.
    ///
    /// Always answers in time, and names every message that was not positively settled.
    ///
    /// # Errors
    /// [`InvalidEvent`] when the payload is no SQS event; then nothing of it must be deleted.
    pub async fn handle_batch(
        &self,
        payload: &str,
        invocation: &Invocation,
    ) -> Result<BatchResponse, InvalidEvent> {
        let event = SqsEvent::read(payload).map_err(InvalidEvent::Shape)?;
        let messages = event.records.as_slice();
        if messages.iter().any(|message| message.message_id.is_empty()) {
            return Err(InvalidEvent::NoMessageId);
        }
        let mut batch = Batch::new(messages, invocation.deadline, self.margin);
        let (suspects, fresh): (Vec<usize>, Vec<usize>) =
            (0..messages.len()).partition(|&i| messages[i].attempt() >= SUSPECT_FROM);

        self.run_together(&mut batch, fresh).await;
        self.run_alone(&mut batch, suspects).await;

        let mut report = Report::new(self.service, &invocation.request_id);
        let mut response = BatchResponse::default();
        for (message, outcome) in messages.iter().zip(batch.outcomes) {
            let outcome = outcome.unwrap_or_else(|| {
                Outcome::unsettled("the invocation's time ended before its turn")
            });
            if !outcome.fate.is_settled() {
                response.batch_item_failures.push(BatchItemFailure {
                    item_identifier: message.message_id.clone().into_owned(),
                });
            }
            report.message(message, &outcome);
        }
        (self.log)(&report.finish());
        Ok(response)
    }

    /// Runs messages concurrently, until all have ended or the time is up.
    async fn run_together(&self, batch: &mut Batch<'_>, indices: Vec<usize>) {
        let mut waiting = indices.iter().copied();
        let mut running = FuturesUnordered::new();
        let run = |index: usize, deadline| {
            let message = &batch.messages[index];
            async move { (index, self.run_one(message, deadline, false).await.outcome) }
        };
        for index in waiting.by_ref().take(self.concurrency) {
            running.push(run(index, batch.deadline));
        }
        // Handlers end by themselves at the deadline; what is left after it is for parking.
        while let Ok(Some((index, outcome))) = timeout_at(batch.last_call, running.next()).await {
            batch.outcomes[index] = Some(outcome);
            if Instant::now() < batch.deadline
                && let Some(next) = waiting.next()
            {
                running.push(run(next, batch.deadline));
            }
        }
        drop(running);
        self.delay(batch, &indices).await;
    }

    /// Runs suspects one after the other, once everything that is settled has been deleted: a suspect that
    /// ends the process takes nothing with it.
    async fn run_alone(&self, batch: &mut Batch<'_>, suspects: Vec<usize>) {
        let mut deleted = vec![false; batch.messages.len()];
        for index in suspects {
            if Instant::now() >= batch.deadline || !self.delete(batch, &mut deleted).await {
                return;
            }
            let message = &batch.messages[index];
            let (deadline, outcome) = (batch.deadline, &mut batch.outcomes[index]);
            let run = async {
                let ran = self.run_one(message, deadline, true).await;
                // First: a note that cannot be removed must not undo what is settled.
                *outcome = Some(ran.outcome);
                if let Some(cx) = ran.has_spoken {
                    self.mode.has_spoken(&cx).await;
                }
            };
            let _ = timeout_at(batch.last_call, run).await;
            self.delay(batch, &[index]).await;
        }
    }

    /// Deletes what is settled; false when that is not certain.
    async fn delete(&self, batch: &Batch<'_>, deleted: &mut [bool]) -> bool {
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

    /// Tells the queue when the messages that must come back are to come back.
    async fn delay(&self, batch: &Batch<'_>, indices: &[usize]) {
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

    /// One message from its body to its fate.
    async fn run_one(&self, message: &Message<'_>, deadline: Instant, alone: bool) -> Ran {
        let decode = AssertUnwindSafe(|| match &message.defect {
            Some(defect) => Err(Undecodable::malformed(defect)),
            None => E::from_message(message),
        });
        let event = match std::panic::catch_unwind(decode) {
            Ok(Ok(event)) => event,
            Ok(Err(undecodable)) => return self.end_undecodable(message, undecodable).await.into(),
            Err(panic) => {
                let detail = format!("reading it panicked: {}", panic_text(panic.as_ref()));
                let subject = Subject::default();
                let outcome = self.end(message, &subject, Problem::Panicked, &detail);
                return outcome.await.into();
            }
        };
        let subject = Subject::of(message, &event);
        let mut cx = self.context(message, &event, &subject, deadline);
        let start = Instant::now();
        let run = async {
            if alone && !self.mode.may_run(&cx).await? {
                return Err(Stopped::Killer);
            }
            self.mode.run(&self.handler, event, &mut cx).await
        };
        let ran = timeout_at(deadline, AssertUnwindSafe(run).catch_unwind()).await;
        let handler_millis = millis(start.elapsed());
        let killer = matches!(ran, Ok(Ok(Err(Stopped::Killer))));
        let mut outcome = match ran {
            Ok(Ok(Ok(Settled::Done))) => subject.outcome(Fate::Done, String::new()),
            Ok(Ok(Ok(Settled::Duplicate))) => subject.outcome(Fate::Duplicate, String::new()),
            Ok(Ok(Err(Stopped::Failed(failure)))) => {
                let problem = Problem::Failed(failure.disposition());
                self.end(message, &subject, problem, &failure.to_string())
                    .await
            }
            Ok(Ok(Err(Stopped::Killer))) => {
                self.end(message, &subject, Problem::Killer, KILLER).await
            }
            Ok(Ok(Err(Stopped::UnknownOutcome))) => {
                let detail = "an earlier try may have had its effect outside";
                self.end(message, &subject, Problem::UnknownOutcome, detail)
                    .await
            }
            Ok(Err(panic)) => {
                let detail = format!("the handler panicked: {}", panic_text(panic.as_ref()));
                self.end(message, &subject, Problem::Panicked, &detail)
                    .await
            }
            Err(_) => {
                self.end(message, &subject, Problem::OutOfTime, OUT_OF_TIME)
                    .await
            }
        };
        outcome.handler_millis = Some(handler_millis);
        // A killer is forgiven only once it is parked: a replay starts anew.
        let has_spoken = alone && (!killer || outcome.fate.is_settled());
        Ran {
            outcome,
            has_spoken: has_spoken.then_some(cx),
        }
    }

    async fn end_undecodable(&self, message: &Message<'_>, undecodable: Undecodable) -> Outcome {
        let problem = if undecodable.not_yet {
            Problem::NotYetKnown
        } else {
            Problem::Malformed
        };
        let subject = Subject {
            event_id: undecodable.event_id,
            event_type: undecodable.event_type,
            correlation_id: undecodable.correlation_id,
            dwell_millis: None,
        };
        self.end(message, &subject, problem, &undecodable.detail)
            .await
    }

    /// Decides about a message that was not handled, and parks it if that is the verdict.
    async fn end(
        &self,
        message: &Message<'_>,
        subject: &Subject,
        problem: Problem,
        detail: &str,
    ) -> Outcome {
        let detail: String = detail.chars().take(512).collect();
        let age = age(message, crate::clock::now());
        let verdict = self
            .recovery
            .decide(problem, message.attempt(), age, fastrand::f64());
        let reason = match verdict {
            Verdict::Delay(delay) if Q::PRESENT => {
                return subject.outcome(Fate::Delayed(delay), detail);
            }
            Verdict::Delay(_) => return subject.outcome(Fate::Returned, detail),
            Verdict::Park(reason) => reason,
        };
        let redrives = message
            .sender_attributes()
            .get("redrives")
            .and_then(|attribute| attribute.string_value.as_deref()?.parse().ok())
            .unwrap_or_default();
        let note = ParkNote {
            reason: reason.as_str(),
            detail: &detail,
            consumer: self.service,
            source_queue: &message.source_arn,
            message_id: &message.message_id,
            event_id: subject.event_id.as_deref(),
            event_type: subject.event_type.as_deref(),
            attempts: message.attempt(),
            first_seen: message.first_received(),
            parked_at: crate::clock::now(),
            fingerprint: ParkNote::fingerprint(reason.as_str(), &detail),
            redrives,
        };
        match self.queue.park(message, &note).await {
            Ok(()) => subject.outcome(Fate::Parked(reason), detail),
            // Redelivery, and in the end SQS's own redrive, keep it.
            Err(error) => subject.outcome(
                Fate::Returned,
                format!("{}: {detail}; not parked: {error}", reason.as_str()),
            ),
        }
    }

    fn context(
        &self,
        message: &Message<'_>,
        event: &E,
        subject: &Subject,
        deadline: Instant,
    ) -> Context {
        let metadata = event.metadata();
        let event_id = subject
            .event_id
            .clone()
            .unwrap_or_else(|| content_id(&message.content()));
        let now = crate::clock::now();
        Context {
            service: self.service,
            correlation_id: subject
                .correlation_id
                .clone()
                .unwrap_or_else(|| event_id.clone()),
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
            claimed: None,
        }
    }
}

const OUT_OF_TIME: &str = "the handler was still at it when the invocation's time ended";
const KILLER: &str = "the process ended without a word each of the three times that it ran alone";

/// What is told about a message.
#[derive(Default)]
struct Subject {
    event_id: Option<String>,
    event_type: Option<String>,
    correlation_id: Option<String>,
    dwell_millis: Option<u64>,
}

impl Subject {
    fn of<E: FromMessage>(message: &Message<'_>, event: &E) -> Self {
        let metadata = event.metadata();
        let dwell = metadata
            .filter(|metadata| metadata.timestamp > 0)
            .map(|metadata| crate::clock::now().saturating_sub(metadata.timestamp));
        let event_id = metadata.map_or_else(
            || content_id(&message.content()),
            |metadata| metadata.id.clone(),
        );
        Self {
            event_id: Some(event_id),
            event_type: event.event_type().map(str::to_owned),
            correlation_id: metadata.map(|metadata| metadata.correlation_id.clone()),
            dwell_millis: dwell,
        }
    }

    fn outcome(&self, fate: Fate, detail: String) -> Outcome {
        Outcome {
            fate,
            detail,
            event_id: self.event_id.clone(),
            event_type: self.event_type.clone(),
            correlation_id: self.correlation_id.clone(),
            handler_millis: None,
            dwell_millis: self.dwell_millis,
        }
    }
}

impl<'a> Batch<'a> {
    fn new(messages: &'a [Message<'a>], end: Instant, margin: Duration) -> Self {
        let before = |time: Duration| end.checked_sub(time).unwrap_or(end);
        Self {
            messages,
            outcomes: messages.iter().map(|_| None).collect(),
            deadline: before(margin),
            last_call: before(margin / 4),
        }
    }
}

fn age(message: &Message<'_>, now: u64) -> Duration {
    let since = message.first_received().unwrap_or(now);
    Duration::from_millis(now.saturating_sub(since))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}
