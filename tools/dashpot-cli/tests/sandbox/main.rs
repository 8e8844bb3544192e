//! The contract between the Stripe client and the sandbox: the client that the functions use, against
//! the provider of the local stack, over the loopback interface.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod declines;
mod doubt;
mod ledger;
mod money;
mod plain;
mod server;
