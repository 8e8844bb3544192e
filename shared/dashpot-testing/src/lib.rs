//! What tests of consumers stand on: a store in memory, a queue that records, and events as SQS delivers them.
//!
//! A dev-dependency only: nothing of it is reachable from what ships.

mod event;
pub mod fault;
mod queue;
mod store;

pub use event::{Delivery, sqs_event};
pub use queue::{Parked, RecordingQueue};
pub use store::MemoryStore;
