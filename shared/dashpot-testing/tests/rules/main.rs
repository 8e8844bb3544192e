//! AWS's rules as the kit keeps them, one test a rule.
//! - [`queue`] and [`fifo`]: SQS queues
//! - [`batches`] and [`answers`]: the event source mapping of a queue
//! - [`stream`], [`stream_answers`] and [`stream_discards`]: the event source mapping of a stream
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod batches;
mod fifo;
mod queue;
mod stream;
mod stream_answers;
mod stream_discards;
