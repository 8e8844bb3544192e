//! Payments: captures the money that checkout had held, lets go of the hold, or gives the money back.
//!
//! - [`handler`]: what each event means, and the states that a payment goes through
//! - [`payment`]: where a payment stands, and how an act is recorded
//! - [`ledger`]: what happened to the money, entry by entry, and what that adds up to
//! - [`call`]: one act at the provider, from asking to knowing
//!
//! The provider's intent id travels in the events, so nobody of ours is called. An effect at the provider cannot
//! be part of our transaction: it is claimed first, done under an idempotency key that holds the claim's version,
//! and recorded together with the event that tells of it. When nobody knows whether it was done, the provider is
//! asked; it is never repeated blindly.

pub mod call;
pub mod handler;
pub mod ledger;
pub mod payment;

use dashpot::{Claiming, Consumer, Envelope, OnUnknown, Queue, Recovery, Store};
use payment_gateway::Gateway;

use crate::handler::{Incoming, Payments};

/// The consumer, over its table, its queue and the way to the provider.
pub fn consumer<S: Store, Q: Queue, G: Gateway>(
    store: S,
    queue: Q,
    gateway: G,
    recovery: Recovery,
) -> Consumer<Payments<G>, Envelope<Incoming>, Q, Claiming<S>> {
    Consumer::<_, Envelope<Incoming>>::new("payments", Payments::new(gateway))
        .recovery(recovery)
        .recovering(queue)
        .claiming(store, OnUnknown::Handle)
}
