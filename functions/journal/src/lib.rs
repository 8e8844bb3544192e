//! Journal: keeps every event for ever, per order, in order.
//!
//! An order's state is the fold of its events; the function `orders` reads it here.

pub mod handler;

use dashpot::{Atomic, Consumer, Queue, Recovery, Store};

use crate::handler::{Anything, Journal};

/// The consumer, over its table and its queue.
pub fn consumer<S: Store, Q: Queue>(
    store: S,
    queue: Q,
    recovery: Recovery,
) -> Consumer<Journal, Anything, Q, Atomic<S>> {
    Consumer::<_, Anything>::new("journal", Journal)
        .recovery(recovery)
        .recovering(queue)
        .atomic(store)
}
