//! The payment sandbox: Stripe's `PaymentIntents` on this machine, without an account.
//!
//! It speaks the endpoints that the shop's Stripe client uses, with Stripe's fields, states, test
//! cards, errors and idempotency, and keeps everything in memory:
//!
//! | endpoint | operation |
//! |---|---|
//! | `POST /v1/payment_intents` | `create` (with `confirm=true` and `capture_method=manual`) |
//! | `POST /v1/payment_intents/{id}/capture` | `capture`, all that is held |
//! | `POST /v1/payment_intents/{id}/cancel` | `cancel` |
//! | `POST /v1/refunds` | `refund`, of `amount` or of all that is left |
//! | `GET /v1/payment_intents/{id}` | `retrieve` |
//! | `GET /v1/payment_intents/search` | `search`, `query=metadata['order_id']:'…'`; here without lag |
//!
//! The key is any `sk_test_…`, as Bearer token or as Basic user. An `Idempotency-Key` brings the first
//! answer again (header `idempotent-replayed: true`), also when that was a decline or a server error;
//! under other parameters it is refused with 400, and with 409 while the first request is at work. As
//! with Stripe, a request that never got to work (a wrong field, 401, 429) uses up no key.
//!
//! # Cards
//! Stripe's own test tokens: `pm_card_visa`, `pm_card_mastercard`, … are good;
//! `pm_card_visa_chargeDeclined`, `pm_card_chargeDeclinedInsufficientFunds`,
//! `pm_card_chargeDeclinedExpiredCard`, … are declined; the whole list is in `cards.rs`. One is the
//! sandbox's own: `pm_card_dashpot_captureRefused` can be held, but its capture is declined. Any
//! other is an error 400, `resource_missing`.
//!
//! # Looking on
//! `GET /ledger` is an array with every payment, oldest first: `id`, `orderId`, `paymentMethod`,
//! `amount`, `amountReceived`, `amountRefunded` (in minor units of `currency`), Stripe's `status`, and
//! `calls`: each call made on it, in order, with `operation`, `idempotencyKey`, `at` (Unix
//! milliseconds), `httpStatus` (a number, or `"lost"` if no answer was given), `replayed` (it brought
//! a stored answer) and `acted` (it held, took, released or gave back money).
//! `GET /health` answers when the sandbox is up.
//!
//! # Misbehaving
//! `POST /behaviour` adds rules, `GET /behaviour` shows those in force, `DELETE /behaviour` drops them:
//!
//! ```json
//! [{ "operation": "capture", "effect": { "loseAnswer": true }, "times": 1, "orderId": "…" }]
//! ```
//!
//! `operation` is one of the table above or `any`. `times` is how often the rule applies before it is
//! spent; null or absent is for ever. `orderId` and `paymentMethod` narrow it down. The first rule
//! that fits applies, and no other. An effect may be combined of:
//! - `"delayMs": n`: the request is at work for so long before it acts;
//! - `"fail": status`: answers that status (400 to 599) instead of acting. A 402 or 5xx is stored under
//!   the key and replayed;
//! - `"acts": true`, with `fail`: acts all the same, and stores that answer;
//! - `"loseAnswer": true`: acts, then drops the connection without an answer;
//! - `"refuse": true`: drops the connection without acting.
//!
//! `POST /reset` forgets payments, keys and rules.

mod behaviour;
mod cards;
mod connection;
mod fields;
mod intent;
mod keys;
mod ledger;
mod provider;
mod refusal;
mod routes;

use std::sync::Arc;

use tokio::net::TcpListener;

use provider::Provider;

/// Serves an empty sandbox until `shutdown` is done. The caller binds the listener, to 127.0.0.1: the
/// sandbox has no secrets and takes anybody's word.
///
/// # Errors
/// If no more connections can be taken.
pub async fn serve(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let provider = Arc::new(Provider::default());
    tokio::select! {
        ended = connection::accept(listener, provider) => ended,
        () = shutdown => Ok(()),
    }
}
