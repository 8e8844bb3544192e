//! Checkout: takes an order, holds the money for it, and says `order.placed`.
//!
//! `POST /orders` → prices → attempt → hold on the card → one transaction → 202. The order of these steps is
//! what keeps money safe; [`attempt`] is the row that makes each of them repeatable:
//! - before the hold, nothing was taken;
//! - between the hold and the transaction there is only a hold, which a repeat of the request uses, and
//!   which the sweeper voids if nobody repeats it;
//! - after the transaction a repeat brings the stored answer, byte for byte.
//!
//! The layout:
//! - [`http`]: from API Gateway's event to a [`handler::Request`], and the answer back;
//! - [`handler`]: the steps;
//! - [`form`], [`prices`]: what the customer asks for, and what it costs;
//! - [`attempt`], [`order`]: the row of one `Idempotency-Key`, shared with the sweeper;
//! - [`hold`]: what the provider's answer means for the attempt;
//! - [`problem`]: every way to say no.

pub mod attempt;
pub mod cancellation;
pub mod form;
pub mod handler;
pub mod hold;
pub mod http;
pub mod order;
pub mod prices;
pub mod problem;
mod telemetry;

#[cfg(test)]
mod doubles;

/// Reads `HOLD_BOUND_SECONDS`: an attempt that is older and has no end is the sweeper's.
///
/// # Errors
/// [`ConfigError`](dashpot::ConfigError) when the variable is missing, or no number above 0.
pub fn hold_bound() -> Result<std::time::Duration, dashpot::ConfigError> {
    const NAME: &str = "HOLD_BOUND_SECONDS";
    dashpot::variable(NAME)?
        .parse()
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(std::time::Duration::from_secs)
        .ok_or(dashpot::ConfigError::new(
            NAME,
            "a number of seconds above 0",
        ))
}
