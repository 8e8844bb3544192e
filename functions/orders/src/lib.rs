//! Orders: answers `GET /orders/{id}` with what the journal's events add up to, now or at any moment (`?asOf=`).
//!
//! - [`http`]: from API Gateway's event to an order id, and the answer back
//! - [`handler`]: reads the order's events
//! - [`as_of`]: the moment that is asked about
//! - [`problem`]: every way to say no
//!
//! What the events add up to is for `shared/order-history` to say.

pub mod as_of;
pub mod handler;
pub mod http;
pub mod problem;
