//! Relay: carries every table's outbox rows from the table's stream to the topic.
//!
//! - [`handler`]: what happens to a batch of the stream
//! - [`outbox`]: the rows, viewed in the stream's event
//! - [`chunk`]: how rows become calls
//! - [`topic`], [`dead_letters`]: the ports, each with what stands behind it on AWS
//! - [`report`]: the line that is logged for each batch
//!
//! An event may be published twice, and is never dropped: the batch fails as a whole, and comes again, unless
//! each of its rows was published or lies in the dead-letter queue. Rows of one group are published in the
//! stream's order; a batch that comes again repeats some, so consumers cannot rely on the order.

pub mod chunk;
pub mod dead_letters;
pub mod handler;
pub mod outbox;
pub mod report;
pub mod topic;
