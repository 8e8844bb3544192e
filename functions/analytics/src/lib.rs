//! Analytics: counts every event, and adds up the shop's money, by day.
//!
//! - [`handler`]: what an event adds to which rows
//! - [`metric`]: what is counted

pub mod handler;
pub mod metric;

use dashpot::{Atomic, Consumer, Queue, Recovery, Store};

use crate::handler::{Analytics, Anything};

/// The consumer, over its table and its queue.
pub fn consumer<S: Store, Q: Queue>(
    store: S,
    queue: Q,
    recovery: Recovery,
) -> Consumer<Analytics, Anything, Q, Atomic<S>> {
    Consumer::<_, Anything>::new("analytics", Analytics)
        .recovery(recovery)
        .recovering(queue)
        .atomic(store)
}
