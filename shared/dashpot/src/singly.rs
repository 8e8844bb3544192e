//! One message after another, many at the same time: how a [`Consumer`] works off a batch.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::Poll;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, poll};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::commit::Settled;
use crate::consumer::Consumer;
use crate::context::Context;
use crate::decode::FromMessage;
use crate::desk::{Desk, OUT_OF_TIME, panic_text};
use crate::invocation::{BatchResponse, InvalidEvent, Invocation};
use crate::message::Message;
use crate::mode::{Mode, Stopped};
use crate::outcome::{Fate, Outcome};
use crate::pipeline::{self, Batch, Work, millis};
use crate::queue::Queue;
use crate::recovery::Problem;

const UNKNOWN_OUTCOME: &str = "an earlier try may have had its effect outside";

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
        pipeline::handle_batch(self, payload, invocation).await
    }

    /// One message, taken up just now, from its body to its fate.
    async fn run_one(
        &self,
        message: &Message<'_>,
        taken_up: Instant,
        deadline: Instant,
        clock: Clock,
    ) -> Outcome {
        let now = clock.when(taken_up);
        let (event, subject) = match self.desk.read::<E>(message, clock, now).await {
            Ok(read) => read,
            Err(outcome) => return outcome,
        };
        let metadata = event.metadata();
        let mut cx = Context::of(
            self.desk.service,
            message,
            metadata,
            &subject,
            deadline,
            clock,
            now,
        );
        let start = Instant::now();
        let run = AssertUnwindSafe(self.mode.run(&self.handler, event, &mut cx)).catch_unwind();
        let ran = timeout_at(deadline, run).await;
        let handler_millis = millis(start.elapsed());
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
        let end = self.desk.end(message, subject, problem, &detail, clock);
        let mut outcome = end.await;
        outcome.handler_millis = Some(handler_millis);
        outcome
    }
}

impl<H, E, Q, M> Work<Q> for Consumer<H, E, Q, M>
where
    H: Send + Sync,
    E: FromMessage,
    Q: Queue,
    M: Mode<H, E>,
{
    type Store = M::Store;

    fn desk(&self) -> &Desk<Q> {
        &self.desk
    }

    fn store(&self) -> Option<&M::Store> {
        self.mode.store()
    }

    async fn work(&self, batch: &mut Batch<'_>, indices: &[usize]) {
        let (messages, deadline, clock) = (batch.messages, batch.deadline, batch.clock);
        let mut lanes = batch.lanes(indices);
        let mut running = FuturesUnordered::new();
        let mut free = None;
        loop {
            while running.len() < self.concurrency
                && let now = Instant::now()
                && now < deadline
                && let Some(index) = lanes.next()
            {
                let run = self.run_one(&messages[index], now, deadline, clock);
                let mut run = match free.take() {
                    Some(mut place) => {
                        Pin::set(&mut place, run);
                        place
                    }
                    None => Box::pin(run),
                };
                // Many end at once: they need no place among the others, and leave theirs to the next.
                match poll!(run.as_mut()) {
                    Poll::Ready(outcome) => {
                        batch.end(index, outcome, &mut lanes);
                        free = Some(run);
                    }
                    Poll::Pending => running.push(async move { (index, run.await) }),
                }
            }
            // Handlers end by themselves at the deadline; what is left after it is for parking.
            let next = timeout_at(batch.last_call, running.next()).await;
            let Ok(Some((index, outcome))) = next else {
                break;
            };
            batch.end(index, outcome, &mut lanes);
        }
        drop(running);
        while let Some(index) = lanes.next() {
            let outcome = self.desk.delayed(&messages[index]);
            batch.end(index, outcome, &mut lanes);
        }
    }
}
