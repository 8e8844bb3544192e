//! Listing: one row an order, found by customer, and by state and day. A read model: all of it can be thrown away and
//! rebuilt from the journal, while the old one goes on serving.
//!
//! - [`handler`]: what an event means for the rows
//! - [`row`]: an order's row, and how events are folded into it
//! - [`generation`]: which rows serve, and which are being built
//! - [`log`]: what was handled lately: what a rebuild may not find in the journal yet
//! - [`list`]: the answers
//! - [`rebuild`], [`check`]: anew out of the journal; and whether it equals the journal
//!
//! What the events of an order add up to is for `shared/order-history` to say: facts are joined, so that neither
//! duplicates nor the order of arrival, nor a rebuild that meets live events, change anything.
//!
//! | row | key | content |
//! |---|---|---|
//! | order | `g{generation}#order#{order}` | `facts`, `version`; index `customer`, index `state` |
//! | pointer | `generations` | `serving`, `building`, `begun`, `version` |
//! | log | `log#{day}#{shard}` / event id | `order`, `facts`; 4 d; the natural key of an event |
//! | cursor | `rebuild#{generation}` / `part#{number}` | how far a rebuild has come |

pub mod check;
pub mod generation;
pub mod handler;
pub mod list;
pub mod log;
pub mod rebuild;
pub mod row;

use dashpot::{Atomic, Consumer, Queue, Recovery, Store};

use crate::handler::{Anything, Listing};

/// The consumer, over its table and its queue.
pub fn consumer<S: Store + Clone, Q: Queue>(
    store: S,
    queue: Q,
    recovery: Recovery,
) -> Consumer<Listing<S>, Anything, Q, Atomic<S>> {
    Consumer::<_, Anything>::new("listing", Listing::new(store.clone()))
        .recovery(recovery)
        .recovering(queue)
        .atomic(store)
}
