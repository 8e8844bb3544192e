//! What tests of consumers stand on: a store in memory, a queue that records, and events as SQS delivers them.
//!
//! A dev-dependency only: nothing of it is reachable from what ships.

mod event;
pub mod fault;
#[cfg(unix)]
mod lambda;
pub mod proxy;
mod queue;
mod store;

pub use event::{Delivery, sqs_event};
#[cfg(unix)]
pub use lambda::{Invoked, LARGEST_EVENT, LambdaHost, Settings, Usage};
pub use queue::{Parked, RecordingQueue};
pub use store::MemoryStore;
