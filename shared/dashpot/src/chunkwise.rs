//! A chunk at a time: how a [`BatchConsumer`] works off a batch.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use crate::batch_consumer::BatchConsumer;
use crate::batch_handler::BatchHandler;
use crate::chunk::{Chunk, Member, Taken, apart, form};
use crate::clock::Clock;
use crate::commit::{DECISIONS, origin, patiently};
use crate::context::Context;
use crate::decode::FromMessage;
use crate::desk::{Desk, OUT_OF_TIME, panic_text};
use crate::effects::{Effects, Refused};
use crate::failure::{Disposition, Failure};
use crate::invocation::{BatchResponse, InvalidEvent, Invocation};
use crate::merge::merge;
use crate::message::Message;
use crate::outcome::{Fate, Outcome};
use crate::pipeline::{self, Batch, Work, millis};
use crate::queue::Queue;
use crate::recovery::Problem;
use crate::row::Write;
use crate::store::{CommitError, MOST_WRITES, Store};

/// After so many chunks in a row that failed in a way that may pass, the other side is away. A single message at fault
/// fails two in a row, as its neighbours in the other half go through.
const AWAY: u32 = 4;

/// Why a chunk was not committed.
enum Stopped {
    /// Somebody in it may be at fault.
    By(Failure),
    /// Nobody in it is: another transaction was at the same rows, or there are too many.
    Crowded(CommitError),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::By(failure)
    }
}

/// How a try of a chunk ended.
enum Ended<E> {
    /// What was left of it was committed.
    Committed,
    /// It was not, and all of its messages have their verdict.
    Judged,
    /// It failed, and is to be taken apart. The failure is told if it is one that may pass.
    Suspected(Chunk<E>, Option<Failure>),
}

type Outcomes = Vec<(usize, Outcome)>;

impl<H, E, S, Q> BatchConsumer<H, E, S, Q>
where
    H: BatchHandler<E>,
    E: FromMessage + Sync,
    S: Store,
    Q: Queue,
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

    /// Reads messages at the same time. Those that cannot be read have their outcome.
    async fn read(&self, batch: &mut Batch<'_>, indices: &[usize]) -> Taken<E> {
        let (messages, deadline, clock) = (batch.messages, batch.deadline, batch.clock);
        let read = |&index: &usize| async move {
            let message = &messages[index];
            let now = clock.now();
            let (event, subject) = self.desk.read::<E>(message, clock, now).await?;
            let (service, metadata) = (self.desk.service, event.metadata());
            let cx = Context::of(service, message, metadata, &subject, deadline, clock, now);
            let once = AssertUnwindSafe(|| self.handler.once(&event, &cx));
            match catch_unwind(once) {
                Ok(row) => {
                    let proof = row.set("cause", cx.event_id.as_str());
                    Ok((
                        event,
                        Member {
                            index,
                            subject,
                            cx,
                            proof,
                        },
                    ))
                }
                Err(panic) => {
                    let detail = format!("the handler panicked: {}", panic_text(panic.as_ref()));
                    let problem = Problem::Panicked;
                    Err(self
                        .desk
                        .end(message, subject, problem, &detail, clock)
                        .await)
                }
            }
        };
        let numbered = |index: &usize| {
            let (index, read) = (*index, read(index));
            async move { (index, read.await) }
        };
        let mut reading: FuturesUnordered<_> = indices.iter().map(numbered).collect();
        let mut taken = Vec::with_capacity(indices.len());
        while let Ok(Some((index, read))) = timeout_at(batch.last_call, reading.next()).await {
            match read {
                Ok(it) => taken.push(it),
                Err(outcome) => batch.outcomes[index] = Some(outcome),
            }
        }
        taken
    }

    /// Works off chunks, and what they are bisected into.
    async fn run(&self, batch: &mut Batch<'_>, mut waiting: VecDeque<Chunk<E>>) {
        let (messages, deadline, clock) = (batch.messages, batch.deadline, batch.clock);
        let mut running = FuturesUnordered::new();
        let mut in_vain = 0;
        loop {
            while running.len() < self.concurrency
                && Instant::now() < deadline
                && let Some(chunk) = waiting.pop_front()
            {
                running.push(self.attempt(chunk, messages, deadline, clock));
            }
            // Handlers end by themselves at the deadline; what is left after it is for parking.
            let Ok(Some((outcomes, ended))) = timeout_at(batch.last_call, running.next()).await
            else {
                break;
            };
            for (index, outcome) in outcomes {
                batch.outcomes[index] = Some(outcome);
            }
            match ended {
                Ended::Committed => in_vain = 0,
                Ended::Judged => {}
                Ended::Suspected(chunk, failure) => {
                    waiting.extend(chunk.halves());
                    let Some(failure) = failure else { continue };
                    in_vain += 1;
                    if in_vain >= AWAY {
                        // Who is alone is tried even so, and has its own verdict.
                        let (alone, several): (VecDeque<_>, VecDeque<_>) =
                            waiting.drain(..).partition(|it| it.members.len() == 1);
                        waiting = alone;
                        for chunk in several {
                            for (index, outcome) in self.put_off(chunk, messages, &failure) {
                                batch.outcomes[index] = Some(outcome);
                            }
                        }
                    }
                }
            }
        }
        for member in waiting.into_iter().flat_map(|chunk| chunk.members) {
            let outcome = self.desk.delayed(&messages[member.index]);
            batch.outcomes[member.index] = Some(outcome);
        }
    }

    /// Tries to handle a chunk.
    async fn attempt(
        &self,
        mut chunk: Chunk<E>,
        messages: &[Message<'_>],
        deadline: Instant,
        clock: Clock,
    ) -> (Outcomes, Ended<E>) {
        let start = Instant::now();
        let mut duplicates = Vec::new();
        let commit = AssertUnwindSafe(self.commit(&mut chunk, &mut duplicates)).catch_unwind();
        let committed = timeout_at(deadline, commit).await;
        let handler_millis = millis(start.elapsed());
        let settled = |member: Member, fate| {
            let outcome = member.subject.outcome(fate, String::new());
            (member.index, outcome)
        };
        let mut outcomes: Outcomes = duplicates
            .into_iter()
            .map(|member| settled(member, Fate::Duplicate))
            .collect();
        let (problem, failure) = match committed {
            Ok(Ok(Ok(()))) => {
                let done = chunk.members.into_iter();
                outcomes.extend(done.map(|member| settled(member, Fate::Done)));
                // One value a chunk.
                if let Some((_, outcome)) = outcomes.first_mut() {
                    outcome.handler_millis = Some(handler_millis);
                }
                return (outcomes, Ended::Committed);
            }
            Ok(Ok(Err(Stopped::Crowded(error)))) => {
                outcomes.extend(self.put_off(chunk, messages, &Failure::retry(error)));
                return (outcomes, Ended::Judged);
            }
            Ok(Ok(Err(Stopped::By(failure)))) => (Problem::Failed(failure.disposition()), failure),
            Ok(Err(panic)) => {
                let text = format!("the handler panicked: {}", panic_text(panic.as_ref()));
                (Problem::Panicked, Failure::retry(text))
            }
            Err(_) if chunk.members.len() == 1 => (Problem::OutOfTime, Failure::retry(OUT_OF_TIME)),
            Err(_) => {
                outcomes.extend(self.put_off(chunk, messages, &Failure::retry(OUT_OF_TIME)));
                return (outcomes, Ended::Judged);
            }
        };
        if chunk.members.len() > 1 {
            let may_pass = matches!(
                problem,
                Problem::Failed(Disposition::Retry | Disposition::RetryAfter(_))
            );
            return (
                outcomes,
                Ended::Suspected(chunk, may_pass.then_some(failure)),
            );
        }
        for Member { index, subject, .. } in chunk.members {
            let detail = failure.to_string();
            let end = self
                .desk
                .end(&messages[index], subject, problem, &detail, clock);
            let mut outcome = end.await;
            outcome.handler_millis = Some(handler_millis);
            outcomes.push((index, outcome));
        }
        (outcomes, Ended::Judged)
    }

    /// Sends back a chunk that failed, however old its messages are: nobody knows which of them is at fault.
    fn put_off(&self, chunk: Chunk<E>, messages: &[Message<'_>], failure: &Failure) -> Outcomes {
        let put_off = |Member { index, subject, .. }| {
            let mut outcome = self.desk.put_off(&messages[index], failure);
            outcome.subject = subject;
            (index, outcome)
        };
        chunk.members.into_iter().map(put_off).collect()
    }

    /// Decides about a chunk and commits it, without those that turn out to have been handled before.
    async fn commit(
        &self,
        chunk: &mut Chunk<E>,
        duplicates: &mut Vec<Member>,
    ) -> Result<(), Stopped> {
        'chunk: while let Some(cx) = chunk.context() {
            let mut effects: Effects = self.handler.handle(&chunk.events, &cx).await?.into();
            for _ in 0..DECISIONS {
                if effects.is_none() {
                    return Ok(());
                }
                let otherwise = effects.otherwise.take();
                let writes = transaction(chunk, &cx, effects)?;
                let refusals = match patiently(&self.store, &writes, &cx).await {
                    Ok(()) => return Ok(()),
                    Err(CommitError::Refused(refusals)) => refusals,
                    Err(error @ (CommitError::Conflict | CommitError::Throttled)) => {
                        return Err(Stopped::Crowded(error));
                    }
                    Err(error @ CommitError::Invalid(_)) => {
                        return Err(Failure::permanent(error).into());
                    }
                    Err(error) => return Err(Failure::retry(error).into()),
                };
                let found = chunk.take_duplicates(&refusals);
                if !found.is_empty() {
                    // Whatever else was refused may have been refused by what they did.
                    duplicates.extend(found);
                    continue 'chunk;
                }
                effects = match otherwise {
                    Some(decide) => decide(Refused::new(refusals))?,
                    None => return Err(Failure::retry("a condition did not hold").into()),
                };
            }
            return Err(Failure::retry("the rows changed under every decision").into());
        }
        Ok(())
    }
}

/// The proofs in the order of the chunk, and what was decided.
fn transaction<E>(chunk: &Chunk<E>, cx: &Context, effects: Effects) -> Result<Vec<Write>, Failure> {
    if effects.once.is_some() || effects.settles.is_some() {
        return Err(Failure::permanent(
            "a chunk has neither a natural key nor a claim: see BatchHandler::once",
        ));
    }
    // What follows from many has no one cause.
    let cause = (chunk.members.len() == 1).then_some(cx.event_id.as_str());
    let origin = origin(cx, cause);
    let proofs = chunk.members.iter().map(|member| member.proof.clone());
    let mut writes: Vec<Write> = proofs.map(Write::create).collect();
    writes.extend(merge(effects.writes));
    for emit in effects.emits {
        writes.push(origin.append(emit).map_err(Failure::permanent)?);
    }
    if writes.len() > MOST_WRITES {
        return Err(Failure::permanent(format!(
            "a transaction has at most {MOST_WRITES} rows, and this one would have {}",
            writes.len()
        )));
    }
    Ok(writes)
}

impl<H, E, S, Q> Work<Q> for BatchConsumer<H, E, S, Q>
where
    H: BatchHandler<E>,
    E: FromMessage + Sync,
    S: Store,
    Q: Queue,
{
    type Store = S;

    fn desk(&self) -> &Desk<Q> {
        &self.desk
    }

    fn store(&self) -> Option<&S> {
        Some(&self.store)
    }

    async fn work(&self, batch: &mut Batch<'_>, indices: &[usize]) {
        let mut taken = self.read(batch, indices).await;
        let most = H::CHUNK.clamp(1, MOST_WRITES);
        while !taken.is_empty() {
            let (first, again) = apart(taken);
            self.run(batch, form(first, most)).await;
            // Found done, or tried in its turn where the first of its event was not.
            taken = again;
        }
    }
}
