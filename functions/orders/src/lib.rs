//! Orders: answers `GET /orders/{id}` with what the journal's events add up to.
//!
//! - [`http`]: from API Gateway's event to an order id, and the answer back
//! - [`handler`]: reads the order's events
//! - [`event`]: what one event says about an order
//! - [`fold`]: what a set of events says about it
//! - [`problem`]: every way to say no

pub mod event;
pub mod fold;
pub mod handler;
pub mod http;
pub mod problem;
