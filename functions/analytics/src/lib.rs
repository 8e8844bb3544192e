//! Analytics: counts every event, adds up the shop's money, by hour and day, and archives what came; a whole batch at a
//! time.
//!
//! - [`handler`]: what a chunk of events is
//! - [`metric`]: what is counted
//! - [`totals`]: how it is added up, and read
//! - [`archive`]: every event in S3, and how one knows which objects count; [`s3`] behind it

pub mod archive;
pub mod handler;
pub mod metric;
pub mod s3;
pub mod totals;

use dashpot::{BatchConsumer, Queue, Recovery, Store};

use crate::archive::Archive;
use crate::handler::{Analytics, Anything};

/// The consumer, over its table, its archive and its queue.
pub fn consumer<S: Store, A: Archive, Q: Queue>(
    store: S,
    archive: A,
    queue: Q,
    recovery: Recovery,
) -> BatchConsumer<Analytics<A>, Anything, S, Q> {
    BatchConsumer::new("analytics", Analytics { archive }, store)
        .recovery(recovery)
        .recovering(queue)
}
