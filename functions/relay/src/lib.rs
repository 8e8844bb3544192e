//! Relay: carries every table's outbox rows from the table's stream on: events to the topic, commands to the queue that
//! each is for, in their time.
//!
//! - [`handler`]: what happens to a batch of the stream
//! - [`outbox`]: the rows, viewed in the stream's event
//! - [`chunk`]: how rows become calls
//! - [`topic`], [`queues`], [`schedules`], [`dead_letters`]: the ports, each with what stands behind it on AWS
//! - [`fate`]: what became of a message, by their answers
//! - [`report`]: the line that is logged for each batch
//!
//! An event may be published twice, and is never dropped: the batch fails as a whole, and comes again, unless
//! each of its rows was published or lies in the dead-letter queue. Several calls are made at once and a batch that comes
//! again repeats some, so nobody can rely on an order; the topic and the queues, which are standard ones, keep none either.

pub mod chunk;
pub mod dead_letters;
pub mod fate;
pub mod handler;
pub mod outbox;
pub mod queues;
pub mod report;
pub mod schedules;
pub mod topic;
