//! What happens to a batch: every message ends as exactly one of done, failed, parked.

use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, poll};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::commit::Settled;
use crate::consumer::Consumer;
use crate::context::Context;
use crate::correlation::is_traceparent;
use crate::decode::{FromMessage, Undecodable, content_id};
use crate::failure::Disposition;
use crate::invocation::{BatchItemFailure, BatchResponse, InvalidEvent, Invocation};
use crate::message::{Message, SqsEvent};
use crate::mode::{Mode, Stopped};
use crate::outcome::{Fate, Outcome, Subject};
use crate::queue::{ParkNote, Queue, QueueError};
use crate::recovery::{Problem, Reason, Verdict};
use crate::suspect::{LastDelivery, SUSPECT_RUNS, last_deliveries, note_run, note_words};
use crate::telemetry::Report;

/// The state of one batch; it lives on the stack of one invocation.
struct Batch<'a> {
    messages: &'a [Message<'a>],
    outcomes: Vec<Option<Outcome>>,
    /// When handlers are stopped, and none is started any more.
    deadline: Instant,
    /// When the answer goes out, whatever is still to be said to the queue.
    last_call: Instant,
    clock: Clock,
}

/// The order in which a batch is worked off.
#[derive(Default)]
struct Plan {
    /// At the same time.
    together: Vec<usize>,
    /// Last and one after the other, each after as many silent runs.
    alone: Vec<(usize, u32)>,
    /// Not at all.
    killers: Vec<usize>,
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
        let mut batch = Batch::new(messages, invocation, self.margin);
        match self.plan(&batch).await {
            Ok(plan) => {
                self.run_together(&mut batch, plan.together).await;
                self.end_killers(&mut batch, plan.killers).await;
                self.run_alone(&mut batch, plan.alone).await;
            }
            Err(detail) => {
                let all: Vec<usize> = (0..messages.len()).collect();
                self.end_all(&mut batch, &all, &detail).await;
            }
        }
        Ok(self.answer(batch, invocation))
    }

    /// Tells who may have ended the process from the others.
    async fn plan(&self, batch: &Batch<'_>) -> Result<Plan, String> {
        let lookup = last_deliveries(self.mode.store(), batch.messages);
        let last = timeout_at(batch.deadline, lookup)
            .await
            .map_err(|_| "the store did not answer in time".to_owned())?
            .map_err(|error| error.to_string())?;
        let mut plan = Plan::default();
        for (index, last) in last.into_iter().enumerate() {
            match last {
                LastDelivery::Spoke => plan.together.push(index),
                LastDelivery::Silent { runs } if runs < SUSPECT_RUNS => {
                    plan.alone.push((index, runs));
                }
                LastDelivery::Silent { .. } => plan.killers.push(index),
            }
        }
        // Who has run alone least is the least suspect. Among equals another goes first each time, so that none always
        // comes after the one that ends the process.
        fastrand::shuffle(&mut plan.alone);
        plan.alone.sort_by_key(|(_, runs)| *runs);
        Ok(plan)
    }

    fn answer(&self, batch: Batch<'_>, invocation: &Invocation) -> BatchResponse {
        let mut report = Report::new(self.service, &invocation.request_id);
        let mut response = BatchResponse::default();
        for (message, outcome) in batch.messages.iter().zip(batch.outcomes) {
            let outcome = outcome.unwrap_or_else(no_turn);
            if !outcome.fate.is_settled() {
                response.batch_item_failures.push(BatchItemFailure {
                    item_identifier: message.message_id.clone().into_owned(),
                });
            }
            report.message(message, &outcome);
        }
        (self.log)(&report.finish());
        response
    }

    /// Runs messages concurrently, until all have ended or the time is up.
    async fn run_together(&self, batch: &mut Batch<'_>, indices: Vec<usize>) {
        let mut waiting = indices.iter().copied();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.concurrency
                && Instant::now() < batch.deadline
                && let Some(index) = waiting.next()
            {
                let message = &batch.messages[index];
                let mut run = Box::pin(self.run_one(message, batch.deadline, batch.clock));
                // Many end at once, and need no place among the others.
                match poll!(run.as_mut()) {
                    Poll::Ready(outcome) => batch.outcomes[index] = Some(outcome),
                    Poll::Pending => running.push(async move { (index, run.await) }),
                }
            }
            // Handlers end by themselves at the deadline; what is left after it is for parking.
            let next = timeout_at(batch.last_call, running.next()).await;
            let Ok(Some((index, outcome))) = next else {
                break;
            };
            batch.outcomes[index] = Some(outcome);
        }
        drop(running);
        for index in waiting {
            batch.outcomes[index] = Some(self.delayed(&batch.messages[index]));
        }
        self.send_back(batch, &indices).await;
    }

    /// Runs suspects one after the other, once everything that is settled has been deleted: one that ends the
    /// process takes nothing with it. Whoever does not get a turn stays as suspect as it is.
    async fn run_alone(&self, batch: &mut Batch<'_>, suspects: Vec<(usize, u32)>) {
        let mut deleted = vec![false; batch.messages.len()];
        for (index, runs) in suspects {
            if Instant::now() >= batch.deadline || !self.delete(batch, &mut deleted).await {
                return;
            }
            let message = &batch.messages[index];
            if let Some(store) = self.mode.store() {
                let note = note_run(store, message, runs + 1, batch.clock.now());
                let noted = timeout_at(batch.deadline, note).await;
                let unnoted = match noted {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(_) => Some("the store did not answer in time".to_owned()),
                };
                if let Some(detail) = unnoted {
                    self.end_all(batch, &[index], &detail).await;
                    continue;
                }
            }
            let run = self.run_one(message, batch.deadline, batch.clock);
            if let Ok(outcome) = timeout_at(batch.last_call, run).await {
                batch.outcomes[index] = Some(outcome);
            }
            self.send_back(batch, &[index]).await;
        }
    }

    /// Parks what has ended the process each time that it ran alone, without reading it.
    async fn end_killers(&self, batch: &mut Batch<'_>, killers: Vec<usize>) {
        for index in killers {
            let message = &batch.messages[index];
            let end = self.end(
                message,
                Subject::default(),
                Problem::Killer,
                KILLER,
                batch.clock,
            );
            if let Ok(outcome) = timeout_at(batch.last_call, end).await {
                batch.outcomes[index] = Some(outcome);
            }
            // Without a word for the store: it is a killer until it is parked.
            self.delay(batch, &[index]).await;
        }
    }

    /// Sends back what must not run, because the store does not say or note who is a suspect.
    async fn end_all(&self, batch: &mut Batch<'_>, indices: &[usize], detail: &str) {
        let problem = Problem::Failed(Disposition::Retry);
        for &index in indices {
            let message = &batch.messages[index];
            let end = self.end(message, Subject::default(), problem, detail, batch.clock);
            if let Ok(outcome) = timeout_at(batch.last_call, end).await {
                batch.outcomes[index] = Some(outcome);
            }
        }
        self.delay(batch, indices).await;
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

    /// Tells the queue when those of the messages that must come back are to come back, and notes that their delivery
    /// ends with a word.
    async fn send_back(&self, batch: &Batch<'_>, indices: &[usize]) {
        let returning = |&&i: &&usize| {
            let outcome = batch.outcomes[i].as_ref();
            outcome.is_some_and(|outcome| !outcome.fate.is_settled())
        };
        let returning: Vec<usize> = indices.iter().filter(returning).copied().collect();
        let note = async {
            if let Some(store) = self.mode.store()
                && !returning.is_empty()
            {
                let messages: Vec<_> = returning.iter().map(|&i| &batch.messages[i]).collect();
                let note = note_words(store, &messages, batch.clock.now());
                let _ = timeout_at(batch.last_call, note).await;
            }
        };
        futures_util::join!(self.delay(batch, &returning), note);
    }

    /// Tells the queue when messages are to come back.
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

    /// A message that did not run comes back with backoff, however old it is: it has not had its try.
    fn delayed(&self, message: &Message<'_>) -> Outcome {
        let mut outcome = no_turn();
        if Q::PRESENT {
            let delay = self.recovery.delay(message.attempt(), fastrand::f64());
            outcome.fate = Fate::Delayed(delay);
        }
        outcome
    }

    /// One message from its body to its fate.
    async fn run_one(&self, message: &Message<'_>, deadline: Instant, clock: Clock) -> Outcome {
        let decode = AssertUnwindSafe(|| match &message.defect {
            Some(defect) => Err(Undecodable::malformed(defect)),
            None => E::from_message(message),
        });
        let event = match std::panic::catch_unwind(decode) {
            Ok(Ok(event)) => event,
            Ok(Err(undecodable)) => {
                let problem = if undecodable.not_yet {
                    Problem::NotYetKnown
                } else {
                    Problem::Malformed
                };
                let subject = Subject::from(&undecodable);
                return self
                    .end(message, subject, problem, &undecodable.detail, clock)
                    .await;
            }
            Err(panic) => {
                let detail = format!("reading it panicked: {}", panic_text(panic.as_ref()));
                let subject = Subject::default();
                return self
                    .end(message, subject, Problem::Panicked, &detail, clock)
                    .await;
            }
        };
        let mut cx = context(self.service, message, &event, deadline, clock);
        let mut subject = Subject::of(&event, cx.now);
        let start = Instant::now();
        let run = AssertUnwindSafe(self.mode.run(&self.handler, event, &mut cx)).catch_unwind();
        let ran = timeout_at(deadline, run).await;
        let handler_millis = millis(start.elapsed());
        subject.event_id = Some(cx.event_id);
        subject.correlation_id = Some(cx.correlation_id);
        let (problem, detail) = match ran {
            Ok(Ok(Ok(settled))) => {
                let fate = match settled {
                    Settled::Done => Fate::Done,
                    Settled::Duplicate => Fate::Duplicate,
                };
                let mut outcome = subject.outcome(fate, String::new());
                outcome.handler_millis = Some(handler_millis);
                return outcome;
            }
            Ok(Ok(Err(Stopped::Failed(failure)))) => {
                (Problem::Failed(failure.disposition()), failure.to_string())
            }
            Ok(Ok(Err(Stopped::UnknownOutcome))) => {
                (Problem::UnknownOutcome, UNKNOWN_OUTCOME.to_owned())
            }
            Ok(Err(panic)) => {
                let text = panic_text(panic.as_ref());
                (Problem::Panicked, format!("the handler panicked: {text}"))
            }
            Err(_) => (Problem::OutOfTime, OUT_OF_TIME.to_owned()),
        };
        let mut outcome = self.end(message, subject, problem, &detail, clock).await;
        outcome.handler_millis = Some(handler_millis);
        outcome
    }

    /// Decides about a message that was not handled, and parks it if that is the verdict.
    async fn end(
        &self,
        message: &Message<'_>,
        subject: Subject,
        problem: Problem,
        detail: &str,
        clock: Clock,
    ) -> Outcome {
        let detail: String = detail.chars().take(512).collect();
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
}

const OUT_OF_TIME: &str = "the handler was still at it when the invocation's time ended";
const UNKNOWN_OUTCOME: &str = "an earlier try may have had its effect outside";
const KILLER: &str = "the process ended without a word each of the three times that it ran alone";

fn no_turn() -> Outcome {
    let detail = "the invocation's time ended before its turn";
    Subject::default().outcome(Fate::Returned, detail.to_owned())
}

fn context<E: FromMessage>(
    service: &'static str,
    message: &Message<'_>,
    event: &E,
    deadline: Instant,
    clock: Clock,
) -> Context {
    let metadata = event.metadata();
    let event_id = metadata.map_or_else(
        || content_id(&message.content()),
        |metadata| metadata.id.clone(),
    );
    let now = clock.now();
    Context {
        service,
        correlation_id: metadata.map_or_else(
            || event_id.clone(),
            |metadata| metadata.correlation_id.clone(),
        ),
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

impl<'a> Batch<'a> {
    fn new(messages: &'a [Message<'a>], invocation: &Invocation, margin: Duration) -> Self {
        let end = invocation.deadline;
        let before = |time: Duration| end.checked_sub(time).unwrap_or(end);
        Self {
            messages,
            outcomes: messages.iter().map(|_| None).collect(),
            deadline: before(margin),
            last_call: before(margin / 4),
            clock: invocation.clock,
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
