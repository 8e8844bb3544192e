//! Sweeper: ends the attempts to order that nobody came back for, and lets go of what is held for them.
//!
//! It works on checkout's table and shares checkout's [`attempt`](checkout::attempt): one service, one state
//! machine. Every minute it takes what is due, fences it (from then on it can never be placed), learns from the
//! provider what is held, lets go of that, and ends the attempt. What does not end this time is due again in a
//! minute.
//!
//! The layout:
//! - [`sweep`]: the round through everything that is due, and its end for one attempt;
//! - `lambda`: the runtime around it; `telemetry`: the line that a sweep leaves.

mod lambda;
pub mod sweep;
mod telemetry;

pub use lambda::run;

#[cfg(test)]
#[path = "../../checkout/src/doubles.rs"]
mod doubles;
