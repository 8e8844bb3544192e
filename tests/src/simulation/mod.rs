//! Deterministic simulation of the whole shop: a seed makes a plan, and a plan always happens in the same way.
//!
//! - `plan`: what customers do and what goes wrong, as a list of steps
//! - `play`: carries a plan out, and says what does not hold at the end
//! - `shrink`: the shortest plan that still fails

mod plan;
mod play;
mod shrink;

pub use plan::{Dependency, Plan, Step};
pub use play::{Played, play};
pub use shrink::shrink;
