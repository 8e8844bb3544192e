//! Deadlines: notices the orders that are not finished in time, and gives up those whose money is only held.
//!
//! - [`handler`]: what an event means, and a deadline
//! - [`standing`]: an order's row, and when an order is finished
//! - [`terms`]: the times
//! - [`telemetry`]: the line and the metric of an order that is late
//! - [`late`]: which orders are
//!
//! Each deadline is a command that deadlines sends to itself: the check waits in the queue, the giving up, a day ahead,
//! with the scheduler, which it is taken back from when the order goes on.

pub mod handler;
pub mod late;
pub mod standing;
pub mod telemetry;
pub mod terms;

use dashpot::{Atomic, Consumer, Envelope, Queue, Recovery, Store};

use crate::handler::{Deadlines, Incoming};
use crate::terms::Terms;

/// The consumer, over its table and its queue.
pub fn consumer<S: Store + Clone, Q: Queue>(
    store: S,
    queue: Q,
    terms: Terms,
    recovery: Recovery,
) -> Consumer<Deadlines<S>, Envelope<Incoming>, Q, Atomic<S>> {
    let handler = Deadlines {
        store: store.clone(),
        terms,
    };
    Consumer::<_, Envelope<Incoming>>::new("deadlines", handler)
        .recovery(recovery)
        .recovering(queue)
        .atomic(store)
}
