//! SQS queues and their event source mapping, by the documented rules.
//! - [`queue`]: what may be sent, when it can be received, what becomes of it
//! - [`mapping`]: which batches a function is invoked with, and what its answer means

mod answer;
mod batch;
mod error;
mod event;
mod mailbox;
mod mapping;
mod message;
mod port;
mod queue;
mod settings;
mod state;
mod visible;

pub use answer::Verdict;
pub(crate) use answer::read as read_answer;
pub use error::SqsError;
pub(crate) use event::Event;
pub use mailbox::SimMailbox;
pub use mapping::{DeleteFails, MappingRefused, Polled, SqsMapping};
pub use message::{
    LARGEST_MESSAGE, MOST_ATTRIBUTES, Message, Outgoing, Received, Snapshot, Standing,
};
pub use port::SimPort;
pub use queue::SimQueue;
pub use settings::QueueSettings;
