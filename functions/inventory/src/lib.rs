//! Inventory: reserves stock for every line of an order, or for none, and gives it back when the order falls
//! through.

pub mod handler;
