//! The Stripe client against a server on this machine: what it sends, and how it reads what comes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod loopback;
mod reading;
mod sending;

use payment_gateway::IntentId;

const INTENT: &str = include_str!("../answers/intent.json");
const REFUND: &str = include_str!("../answers/refund.json");

fn intent_id() -> IntentId {
    IntentId::parse("pi_3SKxT2LkdIwHu7ix0Z9Wm1aB").unwrap()
}
