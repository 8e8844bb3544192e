//! Warehouse: says what to pick, and alone knows whether goods have left; so it alone decides a cancellation.
//!
//! - [`handler`]: what each event means
//! - [`pick_list`]: the row, and the states that it goes through
//! - [`packing`]: what a person does, who says that the goods are packed

pub mod handler;
pub mod packing;
pub mod pick_list;

use dashpot::{Atomic, Consumer, Envelope, Queue, Recovery, Store};

use crate::handler::{Incoming, Warehouse};

/// The consumer, over its table and its queue.
pub fn consumer<S: Store, Q: Queue>(
    store: S,
    queue: Q,
    recovery: Recovery,
) -> Consumer<Warehouse, Envelope<Incoming>, Q, Atomic<S>> {
    Consumer::<_, Envelope<Incoming>>::new("warehouse", Warehouse)
        .recovery(recovery)
        .recovering(queue)
        .atomic(store)
}
