//! The event source mapping between a stream and a function.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::lane::Lane;
use super::record::{EventName, StreamRecord};
use super::table_stream::TableStream;
use crate::function::Function;
use crate::sqs::SimQueue;

/// The event source mapping of a DynamoDB stream, with AWS's own defaults. It starts with the oldest record.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html>
///
/// ```
/// use dashpot::{Key, Row, Store, Write};
/// use dashpot_testing::{EventFilter, MemoryStore, StreamMapping, function};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let stream = store.stream();
/// store.commit(&[Write::create(Row::new(Key::new("outbox#1")))]).await?;
///
/// let mapping = StreamMapping {
///     filter: EventFilter::inserted("outbox#"),
///     ..StreamMapping::default()
/// };
/// let relay = || function(|event, _| async move {
///     assert!(event.contains("outbox#1"));
///     Ok("null".into())
/// });
/// tokio::select! {
///     refused = mapping.run(&stream, relay) => drop(refused?),
///     () = stream.until(|stream| stream.behind() == 0) => {}
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StreamMapping {
    /// The most records of a batch: 100 by default, at most 10,000.
    pub batch_size: usize,
    /// For how long a batch is gathered: none by default, at most 5 minutes.
    pub window: Duration,
    /// How many batches of a shard are handled at once, the changes of one row in order: 1 by default, at most 10.
    pub parallelization_factor: usize,
    /// Whether a batch that failed is taken apart.
    pub bisect: bool,
    /// How often a batch that failed is tried again: for ever by default, at most 10,000 times.
    pub maximum_retries: Option<u32>,
    /// How old a record may become before it is given up: as old as the stream keeps it by default; a minute at least.
    pub maximum_age: Option<Duration>,
    /// Where it is told what was given up, a standard queue: not the records, only which.
    pub on_failure: Option<Arc<SimQueue>>,
    /// Whether the function's answer names what failed.
    pub report_batch_item_failures: bool,
    /// Which records the function is invoked with.
    pub filter: EventFilter,
    /// The function's time-out: 3 s by default, at most 15 minutes.
    pub function_timeout: Duration,
}

impl Default for StreamMapping {
    fn default() -> Self {
        Self {
            batch_size: 100,
            window: Duration::ZERO,
            parallelization_factor: 1,
            bisect: false,
            maximum_retries: None,
            maximum_age: None,
            on_failure: None,
            report_batch_item_failures: false,
            filter: EventFilter::default(),
            function_timeout: Duration::from_secs(3),
        }
    }
}

/// Which records a function is invoked with; the others are passed without cost.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only these changes; all by default.
    pub event_name: Option<EventName>,
    /// Only rows whose partition key starts so.
    pub pk_prefix: String,
}

impl EventFilter {
    /// Rows that came into being, and whose partition key starts so:
    /// `{"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": ".."}]}}}}`.
    pub fn inserted(pk_prefix: impl Into<String>) -> Self {
        Self {
            event_name: Some(EventName::Insert),
            pk_prefix: pk_prefix.into(),
        }
    }

    pub(super) fn takes(&self, record: &StreamRecord) -> bool {
        self.event_name.is_none_or(|name| name == record.event_name)
            && record.key.pk.starts_with(&self.pk_prefix)
    }
}

/// AWS does not create such a mapping.
///
/// <https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is out of bounds")]
pub struct StreamMappingRefused(&'static str);

impl StreamMapping {
    /// Whether AWS would create it.
    ///
    /// # Errors
    /// [`StreamMappingRefused`] says why not.
    pub fn check(&self) -> Result<(), StreamMappingRefused> {
        let whole = |duration: Duration, least: u64, most: u64| {
            (least..=most).contains(&duration.as_secs()) && duration.subsec_nanos() == 0
        };
        let rules = [
            ("BatchSize", (1..=10_000).contains(&self.batch_size)),
            ("MaximumBatchingWindowInSeconds", whole(self.window, 0, 300)),
            (
                "ParallelizationFactor",
                (1..=10).contains(&self.parallelization_factor),
            ),
            (
                "MaximumRetryAttempts",
                self.maximum_retries.is_none_or(|most| most <= 10_000),
            ),
            (
                "MaximumRecordAgeInSeconds",
                self.maximum_age.is_none_or(|age| whole(age, 60, 604_800)),
            ),
            (
                "DestinationConfig",
                self.on_failure
                    .as_ref()
                    .is_none_or(|queue| !queue.settings().fifo),
            ),
            ("Timeout", whole(self.function_timeout, 1, 900)),
        ];
        match rules.into_iter().find(|(_, kept)| !kept) {
            Some((what, _)) => Err(StreamMappingRefused(what)),
            None => Ok(()),
        }
    }

    /// Reads for ever; dropped, it stops, and so do the functions that it runs. `make` makes an execution environment
    /// for each batch that is handled at once, and whenever one has ended.
    ///
    /// A stream has one mapping at a time, and knows how far it is.
    ///
    /// # Errors
    /// [`StreamMappingRefused`] when AWS would not create it.
    pub async fn run<F: Function>(
        &self,
        stream: &TableStream,
        make: impl Fn() -> F + Send + Sync,
    ) -> Result<Infallible, StreamMappingRefused> {
        self.check()?;
        let mut lanes = FuturesUnordered::new();
        for number in 0..stream.split(self.parallelization_factor) {
            lanes.push(Lane::new(self, stream, number, &make).run());
        }
        loop {
            // None ever ends.
            lanes.next().await;
        }
    }
}
