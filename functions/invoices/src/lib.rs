//! Invoices: one PDF an order, each a job from a queue that any number of workers share.
//!
//! - [`handler`]: what a job means, and why repeats do no harm
//! - [`number`]: an order's invoice number
//! - [`page`]: the invoice as a PDF; [`seller`] on it
//! - [`cabinet`]: where invoices are kept; [`s3`] behind it
//! - [`progress`]: how far it is
//!
//! Jobs come straight to a queue. There are two, `invoices` and `invoices-urgent`, each with a function of this binary
//! and a concurrency of its own: what is urgent waits for nothing else.

pub mod cabinet;
pub mod handler;
pub mod number;
pub mod page;
pub mod progress;
pub mod s3;
pub mod seller;

use dashpot::{Atomic, Consumer, Envelope, Queue, Recovery, Store};
use shop_events::WriteInvoice;

use crate::cabinet::Cabinet;
use crate::handler::Invoices;
use crate::seller::Seller;

/// The consumer, over its table, its cabinet and one of its queues.
pub fn consumer<S: Store + Clone, C: Cabinet, Q: Queue>(
    store: S,
    cabinet: C,
    seller: Seller,
    queue: Q,
    recovery: Recovery,
) -> Consumer<Invoices<S, C>, Envelope<WriteInvoice>, Q, Atomic<S>> {
    let handler = Invoices {
        store: store.clone(),
        cabinet,
        seller,
    };
    Consumer::<_, Envelope<WriteInvoice>>::new("invoices", handler)
        .recovery(recovery)
        .recovering(queue)
        .atomic(store)
}
