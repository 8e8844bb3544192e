//! A consumer of many events at a time, put together: handler, store, queue and policy.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::desk::Desk;
use crate::queue::{NoQueue, Queue};
use crate::recovery::Recovery;
use crate::store::Store;

/// Consumes the batches of one queue a chunk at a time: see [`BatchHandler`](crate::BatchHandler).
///
/// Each chunk is one transaction: what its handler decides, and for each message the proof that it was handled.
/// - Messages that were handled before, or twice in the batch, are found by their proofs, and the others are decided
///   about and committed without them.
/// - A chunk that conflicts with another, or is throttled, is tried again at once, and then comes back whole: it is
///   nobody's fault.
/// - One that fails otherwise is bisected, until whoever is at fault stands alone. Only who stood alone is parked.
/// - When chunk after chunk fails in a way that may pass, the other side is away, and the rest comes back untried.
/// - A message that comes back is tried in a smaller chunk each time, and at last alone, so that one that only takes
///   everybody's time is found out as well.
///
/// It is for standard queues: the messages of a FIFO queue's group keep their order with a [`Consumer`](crate::Consumer) alone.
///
/// Everything else is as with a [`Consumer`](crate::Consumer): decoding, suspects, recovery, parking, the deadline, what
/// is told.
pub struct BatchConsumer<H, E, S, Q = NoQueue> {
    pub(crate) desk: Desk<Q>,
    pub(crate) handler: H,
    pub(crate) store: S,
    pub(crate) concurrency: usize,
    event: PhantomData<fn() -> E>,
}

impl<H, E, S: Store> BatchConsumer<H, E, S> {
    /// A consumer that reports partial failures. `service` names it in logs, metrics and keys.
    pub fn new(service: &'static str, handler: H, store: S) -> Self {
        Self {
            desk: Desk::new(service, NoQueue),
            handler,
            store,
            concurrency: 4,
            event: PhantomData,
        }
    }
}

impl<H, E, S, Q> BatchConsumer<H, E, S, Q> {
    /// Adds delay by visibility time-out, parking with a reason, and deleting before suspects run.
    pub fn recovering<R: Queue>(self, queue: R) -> BatchConsumer<H, E, S, R> {
        BatchConsumer {
            desk: self.desk.with_queue(queue),
            handler: self.handler,
            store: self.store,
            concurrency: self.concurrency,
            event: PhantomData,
        }
    }

    /// Another policy than [`Recovery::default`].
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.desk.recovery = recovery;
        self
    }

    /// How many chunks of a batch are handled at once; 4 by default. More of them contend for the same rows.
    #[must_use]
    pub fn concurrency(mut self, chunks: usize) -> Self {
        self.concurrency = chunks.max(1);
        self
    }

    /// How long before the invocation's end everything unsettled is reported failed; 1 s by default.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.desk.margin = margin;
        self
    }

    /// Where the log lines of a batch go, all at once; standard output by default.
    #[must_use]
    pub fn log_to(mut self, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.desk.log = Arc::new(log);
        self
    }
}

impl<H, E, S, Q> fmt::Debug for BatchConsumer<H, E, S, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchConsumer")
            .field("service", &self.desk.service)
            .field("recovery", &self.desk.recovery)
            .field("concurrency", &self.concurrency)
            .field("margin", &self.desk.margin)
            .finish_non_exhaustive()
    }
}
