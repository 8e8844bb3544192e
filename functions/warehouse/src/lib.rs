//! Warehouse: says what to pick, and alone knows whether goods have left; so it alone decides a cancellation.
//!
//! - [`handler`]: what each event means
//! - [`pick_list`]: the row, and the states that it goes through

pub mod handler;
pub mod pick_list;
