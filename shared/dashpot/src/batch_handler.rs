//! What a service writes that takes many events at a time: one decision about all of them.

use std::future::Future;

use crate::commit::marker;
use crate::context::Context;
use crate::effects::Effects;
use crate::failure::Failure;
use crate::row::Row;

/// Decides what a chunk of events means: what is done about all of them is one transaction.
///
/// For what adds up (counts, sums, aggregates), where a transaction a message would cost a round trip each and contend
/// for the same rows. A failure is no message's yet: the chunk is bisected until whoever is at fault stands alone. So a
/// handler may be asked about the same event several times, in different company, and what it does outside the store
/// must bear that.
///
/// ```
/// use dashpot::{BatchConsumer, BatchHandler, Context, Effects, Failure, Json, Key, Store, Write};
///
/// struct Hits;
///
/// impl BatchHandler<Json<String>> for Hits {
///     type Output = Effects;
///
///     async fn handle(&self, pages: &[Json<String>], _: &Context) -> Result<Effects, Failure> {
///         let hit = |Json(page): &Json<String>| {
///             Write::update(Key::new(format!("page#{page}"))).add("hits", 1)
///         };
///         Ok(Effects::none().writes(pages.iter().map(hit))) // of the same page: added up to one write
///     }
/// }
///
/// fn consumer<S: Store>(table: S) -> BatchConsumer<Hits, Json<String>, S> {
///     BatchConsumer::new("hits", Hits, table)
/// }
/// ```
pub trait BatchHandler<E>: Send + Sync {
    /// How many events there are in a chunk, at most: 90 by default.
    ///
    /// A transaction of DynamoDB has at most 100 rows
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>), and each event
    /// takes one for its proof. A chunk that needs more is bisected.
    const CHUNK: usize = 90;

    /// `()` or [`Effects`]. Updates of the same row without a condition are added up to one; two other writes to one
    /// row do not fit into a transaction, so their events are taken apart. What stands in for the marker is said by
    /// [`once`](Self::once), not by [`Effects::once`].
    type Output: Into<Effects> + Send;

    /// Handles events, none of which was handled before, as far as is known. It may be cancelled at any await.
    ///
    /// The context is the only event's, or the chunk's: then `event_id` is a UUID of its events' ids, `correlation_id`
    /// is the one that they share or else that UUID, and `attempt`, `age` and `hops` are the greatest.
    ///
    /// # Errors
    /// A [`Failure`] of several is everybody's until it is known whose; one of a single event is its own.
    fn handle(
        &self,
        events: &[E],
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// The row that proves that this event was handled; it gets the attribute `cause`, the event's id. By default an
    /// inbox marker that is kept for 35 days. The context is the event's own.
    fn once(&self, event: &E, cx: &Context) -> Row {
        let _ = event;
        marker(cx)
    }
}
