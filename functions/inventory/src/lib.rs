//! Inventory: reserves stock for every line of an order, or for none, and gives it back when the order falls
//! through.

pub mod handler;

use dashpot::{Atomic, Consumer, Envelope, Queue, Recovery, Store};

use crate::handler::{Incoming, Inventory};

/// The consumer, over its table and its queue.
pub fn consumer<S: Store, Q: Queue>(
    store: S,
    queue: Q,
    recovery: Recovery,
) -> Consumer<Inventory, Envelope<Incoming>, Q, Atomic<S>> {
    Consumer::<_, Envelope<Incoming>>::new("inventory", Inventory)
        .recovery(recovery)
        .recovering(queue)
        .atomic(store)
}
