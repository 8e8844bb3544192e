//! What goes wrong with an outgoing call, unknown to the code that makes it.
//!
//! - [`Faults`] stands between one process and everything that it calls; [`Fault`] is what it can do to a call
//! - [`Trial`] and [`crash_points`] run a scenario again for each of its calls and each fault: no list of calls to
//!   keep, a call that is added is covered

mod faults;
mod points;
mod queue;
mod store;

pub use faults::{Call, Died, Fault, Faults};
pub use points::{CrashPoint, Trial, crash_points, crash_points_where};
pub use queue::FaultyQueue;
pub use store::FaultyStore;
