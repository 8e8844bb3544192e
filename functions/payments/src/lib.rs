//! Payments: captures the money that checkout had held, lets go of the hold, or gives the money back.
//!
//! - [`handler`]: what each event means, and the states that a payment goes through
//! - [`payment`]: the rows: state and ledger
//! - [`call`]: one act at the provider, from asking to knowing
//!
//! The provider's intent id travels in the events, so nobody of ours is called. An effect at the provider cannot
//! be part of our transaction: it is claimed first, done under an idempotency key that holds the claim's version,
//! and recorded together with the event that tells of it. When nobody knows whether it was done, the provider is
//! asked; it is never repeated blindly.

pub mod call;
pub mod handler;
pub mod payment;
