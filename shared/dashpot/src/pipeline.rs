//! What happens to a batch: every message ends as exactly one of done, failed, parked.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::desk::{Desk, no_turn};
use crate::failure::Disposition;
use crate::invocation::{BatchItemFailure, BatchResponse, InvalidEvent, Invocation};
use crate::message::{Message, SqsEvent};
use crate::outcome::{Fate, Outcome, Subject};
use crate::queue::Queue;
use crate::recovery::Problem;
use crate::store::Store;
use crate::suspect::{LastDelivery, SUSPECT_RUNS, last_deliveries, note_run, note_words};
use crate::telemetry::Report;

/// How messages are worked off: what kinds of consumers differ in.
pub(crate) trait Work<Q: Queue>: Sync {
    type Store: Store;

    fn desk(&self) -> &Desk<Q>;

    /// Where suspects are noted, if anywhere.
    fn store(&self) -> Option<&Self::Store>;

    /// Works off these messages, and gives each its outcome. Handlers end by the deadline; all of it by the last call.
    fn work(&self, batch: &mut Batch<'_>, indices: &[usize]) -> impl Future<Output = ()> + Send;
}

/// The state of one batch; it lives on the stack of one invocation.
pub(crate) struct Batch<'a> {
    pub(crate) messages: &'a [Message<'a>],
    pub(crate) outcomes: Vec<Option<Outcome>>,
    /// When handlers are stopped, and none is started any more.
    pub(crate) deadline: Instant,
    /// When the answer goes out, whatever is still to be said to the queue.
    pub(crate) last_call: Instant,
    pub(crate) clock: Clock,
    /// Whether messages of one group keep their order.
    fifo: bool,
}

/// The order in which a batch is worked off.
#[derive(Default)]
struct Plan {
    /// At the same time.
    together: Vec<usize>,
    /// Last and one after the other; those that do not run at all come first.
    alone: Vec<Suspect>,
}

/// Messages that wait for their turn: of each lane the first, and what is behind whom.
#[derive(Default)]
pub(crate) struct Lanes {
    waiting: VecDeque<usize>,
    behind: BTreeMap<usize, usize>,
}

impl Lanes {
    pub(crate) fn next(&mut self) -> Option<usize> {
        self.waiting.pop_front()
    }
}

/// A message that may have ended the process.
struct Suspect {
    index: usize,
    /// After so many silent runs.
    runs: u32,
    /// What waits behind it in its group of a FIFO queue.
    behind: Vec<(usize, LastDelivery)>,
}

/// Handles the payload of one invocation.
pub(crate) async fn handle_batch<Q: Queue, W: Work<Q>>(
    work: &W,
    payload: &str,
    invocation: &Invocation,
) -> Result<BatchResponse, InvalidEvent> {
    let event = SqsEvent::read(payload).map_err(InvalidEvent::Shape)?;
    let messages = event.records.as_slice();
    if messages.iter().any(|message| message.message_id.is_empty()) {
        return Err(InvalidEvent::NoMessageId);
    }
    let mut batch = Batch::new(messages, invocation, work.desk().margin);
    match batch.plan(work.store()).await {
        Ok(plan) => {
            work.work(&mut batch, &plan.together).await;
            batch.send_back(work, &plan.together).await;
            batch.run_alone(work, plan.alone).await;
        }
        Err(detail) => {
            let all: Vec<usize> = (0..messages.len()).collect();
            batch.end_all(work.desk(), &all, &detail).await;
        }
    }
    Ok(batch.answer(work.desk(), invocation))
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
            // One queue's batch: a record that does not say where it is from is from there, too.
            fifo: messages.iter().any(Message::is_fifo),
        }
    }

    /// Whether two messages of a FIFO queue keep their order.
    fn in_one_lane(&self, one: usize, other: usize) -> bool {
        self.messages[one].group() == self.messages[other].group()
    }

    /// What became of a message that this one has to wait for: it comes back, and takes this one with it.
    fn blocked_by(&self, index: usize) -> Option<Fate> {
        if !self.fifo {
            return None;
        }
        let before = (0..index).filter(|&before| self.in_one_lane(before, index));
        let fate = |before: usize| self.outcomes[before].as_ref().map(|outcome| outcome.fate);
        before
            .map(|before| fate(before).unwrap_or(Fate::Returned))
            .find(|fate| !fate.is_settled())
    }

    /// These messages in lanes: on a FIFO queue those of a group, else each its own.
    pub(crate) fn lanes(&self, indices: &[usize]) -> Lanes {
        let mut lanes = Lanes::default();
        let mut last: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        for &index in indices {
            let before = self
                .fifo
                .then(|| last.insert(self.messages[index].group(), index));
            match before.flatten() {
                Some(before) => drop(lanes.behind.insert(before, index)),
                None => lanes.waiting.push_back(index),
            }
        }
        lanes
    }

    /// A message has ended: what waits behind it may go on, or comes back with it.
    pub(crate) fn end(&mut self, index: usize, outcome: Outcome, lanes: &mut Lanes) {
        let fate = outcome.fate;
        self.outcomes[index] = Some(outcome);
        let mut behind = lanes.behind.remove(&index);
        if fate.is_settled() {
            // First: its lane has begun.
            if let Some(next) = behind {
                lanes.waiting.push_front(next);
            }
            return;
        }
        while let Some(index) = behind {
            self.hold_back(index, fate);
            behind = lanes.behind.remove(&index);
        }
    }

    /// What waits for a message that comes back comes back with it: sooner, it could not be received; later, it would keep
    /// the other from being received.
    fn hold_back(&mut self, index: usize, fate: Fate) {
        let outcome = Subject::default().outcome(fate, HELD_BACK.to_owned());
        self.outcomes[index] = Some(outcome);
    }

    /// Tells who may have ended the process from the others.
    async fn plan<S: Store>(&self, store: Option<&S>) -> Result<Plan, String> {
        let last = timeout_at(self.deadline, last_deliveries(store, self.messages))
            .await
            .map_err(|_| "the store did not answer in time".to_owned())?
            .map_err(|error| error.to_string())?;
        let mut plan = Plan::default();
        for (index, last) in last.into_iter().enumerate() {
            let mut suspects = plan.alone.iter_mut();
            if self.fifo
                && let Some(suspect) = suspects.find(|it| self.in_one_lane(it.index, index))
            {
                suspect.behind.push((index, last));
                continue;
            }
            match last {
                LastDelivery::Spoke => plan.together.push(index),
                LastDelivery::Silent { runs } => plan.alone.push(Suspect {
                    index,
                    runs,
                    behind: Vec::new(),
                }),
            }
        }
        // Who has run alone least is the least suspect. Among equals another goes first each time, so that none always
        // comes after the one that ends the process. A killer does not run at all.
        fastrand::shuffle(&mut plan.alone);
        plan.alone
            .sort_by_key(|suspect| (suspect.runs < SUSPECT_RUNS, suspect.runs));
        Ok(plan)
    }

    /// Runs suspects one after the other, once everything that is settled has been deleted: one that ends the
    /// process takes nothing with it. Whoever does not get a turn stays as suspect as it is.
    async fn run_alone<Q: Queue, W: Work<Q>>(&mut self, work: &W, suspects: Vec<Suspect>) {
        let mut deleted = vec![false; self.messages.len()];
        for suspect in suspects {
            let runs = LastDelivery::Silent { runs: suspect.runs };
            for (index, last) in std::iter::once((suspect.index, runs)).chain(suspect.behind) {
                if let Some(fate) = self.blocked_by(index) {
                    self.hold_back(index, fate);
                    match last {
                        LastDelivery::Spoke => self.send_back(work, &[index]).await,
                        LastDelivery::Silent { .. } => work.desk().delay(self, &[index]).await,
                    }
                    continue;
                }
                match last {
                    LastDelivery::Silent { runs } if runs >= SUSPECT_RUNS => {
                        self.end_killer(work.desk(), index).await;
                    }
                    LastDelivery::Silent { runs } => {
                        if Instant::now() >= self.deadline
                            || !work.desk().delete(self, &mut deleted).await
                        {
                            return;
                        }
                        self.run_suspect(work, index, runs).await;
                    }
                    LastDelivery::Spoke => {
                        work.work(self, &[index]).await;
                        self.send_back(work, &[index]).await;
                    }
                }
            }
        }
    }

    /// Runs a suspect, once it is noted that it runs.
    async fn run_suspect<Q: Queue, W: Work<Q>>(&mut self, work: &W, index: usize, runs: u32) {
        if let Some(store) = work.store() {
            let message = &self.messages[index];
            let note = note_run(store, message, runs + 1, self.clock.now());
            let noted = timeout_at(self.deadline, note).await;
            let unnoted = match noted {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("the store did not answer in time".to_owned()),
            };
            if let Some(detail) = unnoted {
                return self.end_all(work.desk(), &[index], &detail).await;
            }
        }
        work.work(self, &[index]).await;
        self.send_back(work, &[index]).await;
    }

    /// Parks what has ended the process each time that it ran alone, without reading it.
    async fn end_killer<Q: Queue>(&mut self, desk: &Desk<Q>, index: usize) {
        self.end_unread(desk, index, Problem::Killer, KILLER).await;
        // Without a word for the store: it is a killer until it is parked.
        desk.delay(self, &[index]).await;
    }

    /// Sends back what must not run, because the store does not say or note who is a suspect.
    async fn end_all<Q: Queue>(&mut self, desk: &Desk<Q>, indices: &[usize], detail: &str) {
        let problem = Problem::Failed(Disposition::Retry);
        for &index in indices {
            self.end_unread(desk, index, problem, detail).await;
        }
        desk.delay(self, indices).await;
    }

    async fn end_unread<Q: Queue>(
        &mut self,
        desk: &Desk<Q>,
        index: usize,
        problem: Problem,
        detail: &str,
    ) {
        let (message, subject) = (&self.messages[index], Subject::default());
        let end = desk.end(message, subject, problem, detail, self.clock);
        if let Ok(outcome) = timeout_at(self.last_call, end).await {
            self.outcomes[index] = Some(outcome);
        }
    }

    /// Tells the queue when those of the messages that must come back are to come back, and notes that their delivery
    /// ends with a word.
    async fn send_back<Q: Queue, W: Work<Q>>(&self, work: &W, indices: &[usize]) {
        let returning = |&&i: &&usize| {
            let outcome = self.outcomes[i].as_ref();
            outcome.is_some_and(|outcome| !outcome.fate.is_settled())
        };
        let returning: Vec<usize> = indices.iter().filter(returning).copied().collect();
        let note = async {
            if let Some(store) = work.store()
                && !returning.is_empty()
            {
                let messages: Vec<_> = returning.iter().map(|&i| &self.messages[i]).collect();
                let note = note_words(store, &messages, self.clock.now());
                let _ = timeout_at(self.last_call, note).await;
            }
        };
        futures_util::join!(work.desk().delay(self, &returning), note);
    }

    fn answer<Q>(self, desk: &Desk<Q>, invocation: &Invocation) -> BatchResponse {
        let mut report = Report::new(desk.service, &invocation.request_id);
        let mut response = BatchResponse::default();
        for (message, outcome) in self.messages.iter().zip(self.outcomes) {
            let outcome = outcome.unwrap_or_else(no_turn);
            if !outcome.fate.is_settled() {
                response.batch_item_failures.push(BatchItemFailure {
                    item_identifier: message.message_id.clone().into_owned(),
                });
            }
            report.message(message, &outcome);
        }
        (desk.log)(&report.finish());
        response
    }
}

const HELD_BACK: &str = "a message before it in its group comes back";
const KILLER: &str = "the process ended without a word each of the three times that it ran alone";

/// How long ago a message was first received.
pub(crate) fn age(message: &Message<'_>, now: u64) -> Duration {
    let since = message.first_received().unwrap_or(now);
    Duration::from_millis(now.saturating_sub(since))
}

/// So many whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
