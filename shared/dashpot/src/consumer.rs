//! A consumer, put together: handler, store, queue and policy.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::claim::OnUnknown;
use crate::desk::Desk;
use crate::mode::{Atomic, Claiming, Plain};
use crate::queue::{NoQueue, Queue};
use crate::recovery::Recovery;
use crate::store::Store;

/// Consumes the batches of one queue.
///
/// From nothing to everything; a handler that returns [`Effects`](crate::Effects) without a store does not
/// compile:
///
/// ```
/// # use dashpot::{Consumer, Failure, Json, from_fn};
/// async fn thumbnail(Json(picture): Json<String>) -> Result<(), Failure> { Ok(()) }
/// // Partial failures only: no table, no permission, no cost.
/// let consumer = Consumer::<_, Json<String>>::new("thumbnails", from_fn(thumbnail));
/// ```
///
/// ```compile_fail
/// # use dashpot::{Consumer, Effects, Failure, Json, from_fn, Invocation};
/// async fn reserve(Json(order): Json<String>) -> Result<Effects, Failure> { Ok(Effects::none()) }
/// let consumer = Consumer::<_, Json<String>>::new("inventory", from_fn(reserve));
/// let response = consumer.handle_batch("{}", &Invocation::default());
/// ```
pub struct Consumer<H, E, Q = NoQueue, M = Plain> {
    pub(crate) desk: Desk<Q>,
    pub(crate) handler: H,
    pub(crate) mode: M,
    pub(crate) concurrency: usize,
    event: PhantomData<fn() -> E>,
}

impl<H, E> Consumer<H, E> {
    /// A consumer that reports partial failures. `service` names it in logs, metrics and keys: a name that
    /// changes makes every message new.
    pub fn new(service: &'static str, handler: H) -> Self {
        Self {
            desk: Desk::new(service, NoQueue),
            handler,
            mode: Plain,
            concurrency: 64,
            event: PhantomData,
        }
    }
}

impl<H, E, Q, M> Consumer<H, E, Q, M> {
    /// Adds delay by visibility time-out, parking with a reason, and deleting before suspects run.
    pub fn recovering<R: Queue>(self, queue: R) -> Consumer<H, E, R, M> {
        Consumer {
            desk: self.desk.with_queue(queue),
            handler: self.handler,
            mode: self.mode,
            concurrency: self.concurrency,
            event: PhantomData,
        }
    }

    /// Commits effects, proof and events in one transaction.
    pub fn atomic<S: Store>(self, store: S) -> Consumer<H, E, Q, Atomic<S>> {
        self.in_mode(Atomic(store))
    }

    /// Claims before it acts outside, and completes in one transaction: see [`Claims`](crate::Claims).
    pub fn claiming<S: Store>(
        self,
        store: S,
        on_unknown: OnUnknown,
    ) -> Consumer<H, E, Q, Claiming<S>> {
        self.in_mode(Claiming { store, on_unknown })
    }

    /// Another policy than [`Recovery::default`].
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.desk.recovery = recovery;
        self
    }

    /// How many messages of a batch are handled at once; 64 by default.
    #[must_use]
    pub fn concurrency(mut self, messages: usize) -> Self {
        self.concurrency = messages.max(1);
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

    fn in_mode<N>(self, mode: N) -> Consumer<H, E, Q, N> {
        Consumer {
            desk: self.desk,
            handler: self.handler,
            mode,
            concurrency: self.concurrency,
            event: PhantomData,
        }
    }
}

impl<H, E, Q, M> fmt::Debug for Consumer<H, E, Q, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("service", &self.desk.service)
            .field("recovery", &self.desk.recovery)
            .field("concurrency", &self.concurrency)
            .field("margin", &self.desk.margin)
            .finish_non_exhaustive()
    }
}
