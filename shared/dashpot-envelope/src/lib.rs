//! The envelope that every message travels in, and what an event is.
//!
//! ```json
//! { "type": "order.placed",
//!   "payload":  { "orderId": "…" },
//!   "metadata": { "id": "…", "timestamp": 1732464000000, "correlationId": "req_789", "causationId": "…",
//!                 "version": 2, "source": "checkout", "subject": "<order id>", "hops": 0 } }
//! ```
//!
//! - [`Envelope`] is that shape, over any payload; [`RawEnvelope`] views it in a body without copying.
//! - [`Event`] is one past-tense fact with its name, version and upcasts; [`event_set!`] makes the closed
//!   set of events that one consumer takes.
//! - [`Personal`] wraps what must never reach a log.
//!
//! The crate stands on serde alone and knows neither AWS nor any business. What comes from outside is read with
//! [`strict_json`].

mod envelope;
mod event;
mod name;
mod personal;
mod request;

pub use envelope::{Envelope, Metadata, RawEnvelope, RawMetadata};
pub use event::{Event, EventSet, Unreadable};
pub use personal::Personal;
pub use request::Request;
pub use strict_json::Malformed;
