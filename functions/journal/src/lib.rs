//! Journal: keeps every event for ever, per order, in order.
//!
//! An order's state is the fold of its events; the function `orders` reads it here.

pub mod handler;
