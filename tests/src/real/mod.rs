//! Real processes of functions, on real queues and tables of the emulator, under Lambda's and the mapping's rules.
//!
//! The emulator's own mapping is more forgiving than AWS's; here it is left out.

mod mapping;
mod place;

pub use mapping::{Delivered, deliver};
pub use place::{Place, Row, attribute};
