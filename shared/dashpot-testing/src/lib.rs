//! What tests of consumers stand on: a store in memory, queues and streams with their event source mappings, and
//! events as SQS delivers them.
//!
//! A dev-dependency only: nothing of it is reachable from what ships.
//!
//! - [`MemoryStore`]: a table, as strict as DynamoDB, with its [stream](MemoryStore::stream)
//! - [`SimQueue`] and [`SqsMapping`]: a queue and its event source mapping, by SQS's and Lambda's documented rules
//! - [`StreamMapping`]: the event source mapping of a table's stream
//! - [`Function`]: what a mapping invokes
//! - [`LambdaHost`]: Lambda itself, around a real binary
//! - [`proxy`]: faults on the wire, between that and what it calls
//! - [`conformance`]: what every [`Store`](dashpot::Store) promises, as a suite for any
//! - [`fault`]: what goes wrong with an outgoing call
//! - [`RecordingQueue`], [`sqs_event`]: one batch, without a queue
//!
//! The clock of all of it is tokio's, so under `start_paused` days pass in milliseconds; only real binaries, and the
//! wire that they speak on, have real time.

pub mod conformance;
mod event;
pub mod fault;
mod function;
#[cfg(unix)]
mod lambda;
pub mod proxy;
mod queue;
mod sqs;
mod store;
mod stream;

pub use event::{Delivery, sqs_event};
pub use function::{FromClosure, Function, FunctionError, LARGEST_PAYLOAD, function, invoke};
#[cfg(unix)]
pub use lambda::{Invoked, LambdaHost, Settings, Usage};
pub use queue::{Parked, RecordingQueue};
pub use sqs::{
    DeleteFails, LARGEST_MESSAGE, MOST_ATTRIBUTES, MappingRefused, Message as SqsMessage, Outgoing,
    Polled, QueueSettings, Received, SimMailbox, SimPort, SimQueue, Snapshot, SqsError, SqsMapping,
    Standing, Verdict,
};
pub use store::{Index, MemoryStore, TableSettings};
pub use stream::{
    EventFilter, EventName, StreamMapping, StreamMappingRefused, StreamRecord, TableStream,
};
