//! The event source mapping between a queue and a function.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::answer::{self, Verdict};
use super::batch::MOST_ENTRIES;
use super::error::SqsError;
use super::event::{Event, record};
use super::message::Received;
use super::queue::SimQueue;
use crate::function::{Function, FunctionError, invoke};

/// The event source mapping of a queue, with AWS's own defaults.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>
///
/// ```
/// use std::time::Duration;
/// use dashpot::{Consumer, Failure, Json, from_fn};
/// use dashpot_testing::{Outgoing, QueueSettings, SimQueue, SqsMapping};
///
/// async fn even(Json(number): Json<u32>) -> Result<(), Failure> {
///     if number % 2 == 0 { Ok(()) } else { Err(Failure::retry("odd")) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let queue = SimQueue::new(QueueSettings::standard("numbers"));
/// for number in ["1", "2", "3"] {
///     queue.send(Outgoing::new(number))?;
/// }
/// let mapping = SqsMapping { report_batch_item_failures: true, ..SqsMapping::default() };
/// let consumer = Consumer::<_, Json<u32>>::new("numbers", from_fn(even)).log_to(|_| {});
///
/// let polled = mapping.poll_once(&queue, &consumer).await?.expect("there are messages");
/// assert_eq!(polled.deleted.len(), 1);
/// assert_eq!(queue.messages().len(), 2, "the odd ones come back when their visibility time-out ends");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SqsMapping {
    /// The most messages of a batch: 10 by default; 10,000 on a standard queue, 10 on a FIFO queue.
    pub batch_size: usize,
    /// For how long a batch is gathered: none by default, at most 5 minutes; standard queues only.
    pub window: Duration,
    /// How many batches are handled at once: 2 to 1,000. Without it Lambda starts with five and adds up to 300 a
    /// minute, to 1,250.
    pub maximum_concurrency: Option<usize>,
    /// The function's time-out: 3 s by default, at most 15 minutes.
    pub function_timeout: Duration,
    /// Whether the function's answer names what failed; else any answer deletes the whole batch.
    pub report_batch_item_failures: bool,
    /// Which deletions fail, for tests of what follows.
    pub delete_fails: DeleteFails,
}

impl Default for SqsMapping {
    fn default() -> Self {
        Self {
            batch_size: 10,
            window: Duration::ZERO,
            maximum_concurrency: None,
            function_timeout: Duration::from_secs(3),
            report_batch_item_failures: false,
            delete_fails: DeleteFails::default(),
        }
    }
}

/// Which of the mapping's own deletions fail after an answer; none by default.
#[derive(Clone, Default)]
pub struct DeleteFails(Option<Arc<Decide>>);

type Decide = dyn Fn(&Received) -> bool + Send + Sync;

impl DeleteFails {
    /// Those for which this is true.
    pub fn when(fails: impl Fn(&Received) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(fails)))
    }

    fn of(&self, received: &Received) -> bool {
        self.0.as_ref().is_some_and(|fails| fails(received))
    }
}

impl fmt::Debug for DeleteFails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(..)" } else { "None" })
    }
}

/// AWS does not create such a mapping.
///
/// <https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MappingRefused {
    /// The function may take longer than its messages are hidden.
    #[error("the queue's visibility time-out is shorter than the function's time-out")]
    VisibilityBelowTimeout,
    /// More than 10 messages need time to be gathered.
    #[error("a batch of more than 10 needs a window of at least a second")]
    BatchWithoutWindow,
    /// 1 to 10,000; 10 on a FIFO queue.
    #[error("the batch size is out of bounds")]
    BatchSize,
    /// 0 to 300 whole seconds; none on a FIFO queue.
    #[error("the batching window is out of bounds")]
    Window,
    /// 2 to 1,000.
    #[error("the maximum concurrency is out of bounds")]
    MaximumConcurrency,
    /// 1 to 900 whole seconds.
    #[error("the function's time-out is out of bounds")]
    FunctionTimeout,
}

/// A batch, and what became of it.
#[derive(Debug, Clone)]
pub struct Polled {
    /// The batch.
    pub messages: Vec<Received>,
    /// What the function answered.
    pub answer: Result<String, FunctionError>,
    /// What that means.
    pub verdict: Verdict,
    /// The ids of the messages that are gone.
    pub deleted: Vec<String>,
}

/// A batch on its way to the function.
#[derive(Debug)]
struct Batch {
    event: Event,
    messages: Vec<Received>,
}

impl SqsMapping {
    /// Whether AWS would create it over that queue.
    ///
    /// # Errors
    /// [`MappingRefused`] says why not.
    pub fn check(&self, queue: &SimQueue) -> Result<(), MappingRefused> {
        let fifo = queue.settings().fifo;
        let whole = |duration: Duration, least: u64, most: u64| {
            (least..=most).contains(&duration.as_secs()) && duration.subsec_nanos() == 0
        };
        if !whole(self.function_timeout, 1, 900) {
            return Err(MappingRefused::FunctionTimeout);
        }
        if queue.settings().visibility_timeout < self.function_timeout {
            return Err(MappingRefused::VisibilityBelowTimeout);
        }
        if !(1..=if fifo { 10 } else { 10_000 }).contains(&self.batch_size) {
            return Err(MappingRefused::BatchSize);
        }
        if !whole(self.window, 0, if fifo { 0 } else { 300 }) {
            return Err(MappingRefused::Window);
        }
        if self.batch_size > 10 && self.window.is_zero() {
            return Err(MappingRefused::BatchWithoutWindow);
        }
        if self
            .maximum_concurrency
            .is_some_and(|most| !(2..=1000).contains(&most))
        {
            return Err(MappingRefused::MaximumConcurrency);
        }
        Ok(())
    }

    /// Polls for ever; dropped, it stops, and so do the functions that it runs. `make` makes an execution environment
    /// whenever none is idle; one that failed by [ending](FunctionError::ends_the_process) is not used again.
    ///
    /// # Errors
    /// [`MappingRefused`] when AWS would not create it.
    pub async fn run<F: Function>(
        &self,
        queue: &Arc<SimQueue>,
        mut make: impl FnMut() -> F,
    ) -> Result<Infallible, MappingRefused> {
        self.check(queue)?;
        let mut idle: Vec<F> = Vec::new();
        let mut running = FuturesUnordered::new();
        let mut carried = VecDeque::new();
        let (mut busy_since, mut requests) = (Instant::now(), 0_u64);
        loop {
            while running.len() >= self.limit(busy_since) {
                // More is allowed when a batch is done or, without a maximum, when a minute is over.
                let grown = sleep_until(busy_since + Duration::from_mins(1 + minutes(busy_since)));
                tokio::select! {
                    biased;
                    Some(environment) = running.next() => idle.extend(environment),
                    () = grown, if self.maximum_concurrency.is_none() => {}
                }
            }
            let mut gathering = pin!(self.gather(queue, &mut carried));
            let batch = loop {
                tokio::select! {
                    biased;
                    Some(environment) = running.next(), if !running.is_empty() => {
                        idle.extend(environment);
                    }
                    batch = &mut gathering => break batch,
                }
            };
            if running.is_empty() {
                busy_since = Instant::now();
            }
            let environment = idle.pop().unwrap_or_else(&mut make);
            requests += 1;
            let request = format!("{}-{requests}", queue.settings().name);
            running.push(async move {
                let polled = self.handle(queue, &environment, request, batch).await;
                let ended = polled.answer.is_err_and(|error| error.ends_the_process());
                (!ended).then_some(environment)
            });
        }
    }

    /// Handles one batch, if there is any message now.
    ///
    /// # Errors
    /// [`MappingRefused`] when AWS would not create it.
    pub async fn poll_once<F: Function>(
        &self,
        queue: &Arc<SimQueue>,
        function: &F,
    ) -> Result<Option<Polled>, MappingRefused> {
        self.check(queue)?;
        let mut carried = VecDeque::from(receive(queue, self.batch_size));
        if carried.is_empty() {
            return Ok(None);
        }
        let batch = self.gather(queue, &mut carried).await;
        let request = format!("{}-once", queue.settings().name);
        Ok(Some(self.handle(queue, function, request, batch).await))
    }

    /// How many batches may be handled at once.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html>
    fn limit(&self, busy_since: Instant) -> usize {
        let grown = minutes(busy_since).saturating_mul(300).saturating_add(5);
        let grown = usize::try_from(grown).unwrap_or(usize::MAX).min(1250);
        self.maximum_concurrency.unwrap_or(grown)
    }

    /// Gathers a batch: until it is full by count or by bytes, or the window since its first message is over. One
    /// receive takes at most 10; without a window one receive is one batch. What does not fit is carried to the next.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching>
    async fn gather(&self, queue: &SimQueue, carried: &mut VecDeque<Received>) -> Batch {
        let mut batch = Batch {
            event: Event::new(),
            messages: Vec::new(),
        };
        let arn = queue.arn();
        let mut end = None;
        loop {
            while let Some(received) = carried.pop_front() {
                if batch.messages.len() == self.batch_size
                    || !batch.event.add(&record(&received, &arn))
                {
                    carried.push_front(received);
                    return batch;
                }
                batch.messages.push(received);
            }
            let room = self.batch_size - batch.messages.len();
            if room == 0 || (self.window.is_zero() && !batch.messages.is_empty()) {
                return batch;
            }
            let receiving = queue.receive_when_any(room.min(10));
            if batch.messages.is_empty() {
                carried.extend(some(receiving.await).await);
                continue;
            }
            let end = *end.get_or_insert_with(|| Instant::now() + self.window);
            match timeout_at(end, receiving).await {
                Ok(received) => carried.extend(some(received).await),
                Err(_) => return batch,
            }
        }
    }

    async fn handle<F: Function>(
        &self,
        queue: &SimQueue,
        function: &F,
        request: String,
        batch: Batch,
    ) -> Polled {
        let Batch { event, messages } = batch;
        let timeout = self.function_timeout;
        let answer = invoke(function, &event.finish(), request, timeout, queue.clock()).await;
        let verdict = match &answer {
            Err(error) => Verdict::Failure(error.to_string()),
            // Without the setting the answer is not looked at.
            Ok(_) if !self.report_batch_item_failures => Verdict::Success,
            Ok(answer) => answer::read(answer, |id| {
                messages
                    .iter()
                    .any(|received| received.message.message_id == id)
            }),
        };
        let stays = |received: &&Received| match &verdict {
            Verdict::Success => false,
            Verdict::Partial(failed) => failed.contains(&received.message.message_id),
            Verdict::Failure(_) => true,
        };
        let done: Vec<&Received> = messages.iter().filter(|r| !stays(r)).collect();
        let mut deleted = Vec::with_capacity(done.len());
        for chunk in done.chunks(MOST_ENTRIES) {
            for received in chunk {
                let gone = !self.delete_fails.of(received)
                    && matches!(queue.delete(&received.receipt), Ok(true));
                if gone {
                    deleted.push(received.message.message_id.clone());
                }
            }
        }
        Polled {
            messages,
            answer,
            verdict,
            deleted,
        }
    }
}

fn receive(queue: &SimQueue, batch_size: usize) -> Vec<Received> {
    queue.receive(batch_size.min(10)).unwrap_or_default()
}

/// What was received; when the queue has too much in flight, a pause and nothing.
async fn some(received: Result<Vec<Received>, SqsError>) -> Vec<Received> {
    let Ok(received) = received else {
        tokio::time::sleep(Duration::from_secs(1)).await;
        return Vec::new();
    };
    received
}

/// How many whole minutes have passed.
fn minutes(since: Instant) -> u64 {
    since.elapsed().as_secs() / 60
}
