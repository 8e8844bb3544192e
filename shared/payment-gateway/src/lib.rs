//! The payment provider as the shop sees it, and Stripe's `PaymentIntents` behind it.
//!
//! Money moves in two steps. *Authorising* puts a hold on the customer's card: no money moves.
//! *Capturing* takes what is held; *cancelling* lets go of it; *refunding* gives back what was
//! captured. [`Gateway`] is that port, [`Stripe`] implements it over HTTP.
//!
//! The layout:
//! - `gateway`: the port [`Gateway`] and what is asked of it, [`Authorisation`];
//! - `intent`: what the provider knows of one payment, [`Intent`] and [`Refund`];
//! - `error`: [`GatewayError`], which says for each failure what a caller may do next;
//! - `id`, `money`: identifiers and amounts, parsed at the edge;
//! - `stripe`: [`Stripe`], its wire format and the classification of its refusals; [`answer`] reads without a call;
//! - `config`, `key`: where the provider is and what opens it;
//! - `secret`, `on_demand` (feature `aws`): the key out of Secrets Manager, and [`StripeOnDemand`], which reads it.
//!
//! Two rules run through all of it. A failure whose outcome nobody knows is
//! [`GatewayError::Unknown`] and never a decline. And every call that acts carries an idempotency
//! key, so that asking again is safe: the provider answers a repeat with its first answer. Providers
//! forget keys (Stripe after 24 hours), so a permanent row of the caller's own is the real guard.

mod config;
mod error;
mod gateway;
mod id;
mod intent;
mod key;
mod money;
#[cfg(feature = "aws")]
mod on_demand;
#[cfg(feature = "aws")]
mod secret;
mod stripe;

pub use config::{Config, ConfigError};
pub use error::{Cause, GatewayError};
pub use gateway::{Authorisation, Gateway};
pub use id::{IntentId, InvalidId, OrderId, PaymentMethodId, RefundId};
pub use intent::{Intent, IntentStatus, Refund, RefundStatus};
pub use key::{InvalidKey, SecretKey};
pub use money::{Amount, Currency, InvalidCurrency};
#[cfg(feature = "aws")]
pub use on_demand::StripeOnDemand;
#[cfg(feature = "aws")]
pub use secret::{SecretError, secret_key};
pub use stripe::{Stripe, StripeError, answer};
