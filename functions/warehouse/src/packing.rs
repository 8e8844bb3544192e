//! What a person in the warehouse does: looks at what is to be picked, and says that it is packed. From then on nothing takes
//! the goods back: whoever asks for a cancellation is refused.
//!
//! No event brings this about, so it is no handler's: `cargo dashpot pick` does it, and a scanner's backend could.

use dashpot::{CommitError, Item, Origin, Query, SHARDS, Store, StoreError, Value};
use shop_events::{OrderId, PickListCreated, PickListPacked};

use crate::pick_list::{self, INDEX, SINCE, State};

/// How often a transaction is tried that another one is in the way of.
const TRIES: u32 = 5;

/// A list to be picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Since when, in milliseconds since the Unix epoch.
    pub since: u64,
    /// What it lists.
    pub list: PickListCreated,
}

/// What became of an order's goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// They are packed by this.
    Now,
    /// They were before; nothing is said a second time.
    Before,
}

/// Why goods are not packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Warehouse knows of no such list: it may come yet.
    #[error("there is no pick list of order {0}: its stock is not reserved (yet)")]
    NoList(OrderId),
    /// The order was cancelled, or its payment failed.
    #[error("the pick list of order {0} is withdrawn: put the goods back")]
    Withdrawn(OrderId),
    /// The row is not what this version writes.
    #[error("{row} cannot be read: {detail}")]
    Unreadable {
        /// Its key.
        row: String,
        /// Why.
        detail: String,
    },
    /// The table cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whether it is packed is not known; the same once more tells.
    #[error("the table did not take it: {0}; try again")]
    Commit(CommitError),
}

/// All lists that are to be picked, those that wait longest first.
///
/// # Errors
/// [`PackError`] when the table does not answer, or a list cannot be read.
pub async fn to_pick<S: Store>(store: &S) -> Result<Vec<Open>, PackError> {
    let mut lists = Vec::new();
    for shard in 0..SHARDS {
        let query = Query::index(INDEX, (INDEX, shard.to_string()));
        for row in &query.all(store).await? {
            lists.push(read(row)?);
        }
    }
    lists.sort_by(|a, b| (a.since, &a.list.order_id).cmp(&(b.since, &b.list.order_id)));
    Ok(lists)
}

/// Says that an order's goods are packed: its row and `pick_list.packed` in one transaction. Safe to repeat.
///
/// # Errors
/// [`PackError`] says what is in the way.
pub async fn pack<S: Store>(store: &S, order: &OrderId, now: u64) -> Result<Packed, PackError> {
    let key = pick_list::key(order);
    let mut last = CommitError::Conflict;
    for _ in 0..TRIES {
        let rows = store.get(std::slice::from_ref(&key)).await?;
        let row = rows.into_iter().next().flatten();
        let row = row.ok_or_else(|| PackError::NoList(order.clone()))?;
        match State::of(&row).map_err(|error| unreadable(&row, error))? {
            State::Packed => return Ok(Packed::Before),
            State::Withdrawn => return Err(PackError::Withdrawn(order.clone())),
            State::Open => {}
        }
        let PickListCreated {
            order_id,
            user_id,
            customer,
            items,
        } = read(&row)?.list;
        let packed = PickListPacked {
            order_id,
            user_id,
            customer,
            items,
        };
        let correlation_id = row.get("correlationId").and_then(Value::as_str);
        let origin = Origin {
            source: "warehouse",
            correlation_id: correlation_id.unwrap_or(order.as_str()),
            causation_id: None,
            hops: 0,
            traceparent: None,
            now,
        };
        let says = origin
            .says(&packed)
            .map_err(|error| unreadable(&row, error))?;
        match store.commit(&[pick_list::pack(order), says]).await {
            Ok(()) => return Ok(Packed::Now),
            // Refused, in conflict, or unknown: the row tells, by the next look at it.
            Err(error) => last = error,
        }
    }
    Err(PackError::Commit(last))
}

fn read(row: &Item) -> Result<Open, PackError> {
    let list = row.get("list").and_then(Value::as_str).unwrap_or_default();
    let since = row.get(SINCE).and_then(Value::as_i64);
    Ok(Open {
        since: since
            .and_then(|since| since.try_into().ok())
            .unwrap_or_default(),
        list: serde_json::from_str(list).map_err(|error| unreadable(row, error))?,
    })
}

fn unreadable(row: &Item, error: impl std::fmt::Display) -> PackError {
    let key = row.get("pk").and_then(Value::as_str);
    PackError::Unreadable {
        row: key.unwrap_or("a pick list").to_owned(),
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use dashpot::{Envelope, Write};
    use dashpot_testing::{Index, MemoryStore};
    use serde_json::json;

    use super::*;

    async fn shop(orders: &[(&str, u64)]) -> MemoryStore {
        let store = MemoryStore::with_indexes([Index::by_number(INDEX, INDEX, SINCE)]);
        for (order, since) in orders {
            let list = json!({"orderId": order, "userId": "ada", "items": [{"sku": "chair", "quantity": 1}]});
            let list = serde_json::from_value(list).unwrap();
            let row = pick_list::open(&list, "req_1", *since).unwrap();
            store.commit(&[Write::create(row)]).await.unwrap();
        }
        store
    }

    fn id(order: &str) -> OrderId {
        order.parse().unwrap()
    }

    #[tokio::test]
    async fn what_waits_longest_is_picked_first_and_what_is_packed_is_listed_no_more() {
        let store = shop(&[("b", 2), ("a", 3), ("c", 1)]).await;
        let waiting = async || -> Vec<String> {
            let lists = to_pick(&store).await.unwrap();
            lists
                .iter()
                .map(|open| open.list.order_id.to_string())
                .collect()
        };
        assert_eq!(waiting().await, ["c", "b", "a"]);
        pack(&store, &id("b"), 9).await.unwrap();
        assert_eq!(waiting().await, ["c", "a"]);
        store
            .commit(&[pick_list::withdraw(&id("c"))])
            .await
            .unwrap();
        assert_eq!(waiting().await, ["a"]);
    }

    #[tokio::test]
    async fn packing_is_said_once_under_the_orders_correlation_id() {
        let store = shop(&[("a", 1)]).await;
        assert_eq!(pack(&store, &id("a"), 9).await.unwrap(), Packed::Now);
        assert_eq!(pack(&store, &id("a"), 9).await.unwrap(), Packed::Before);
        assert_eq!(store.said(), ["pick_list.packed"]);
        let row = store.rows("outbox#").pop().unwrap();
        let said: Envelope<PickListPacked> =
            serde_json::from_str(row["body"].as_str().unwrap()).unwrap();
        assert_eq!(said.metadata.correlation_id, "req_1");
        assert_eq!(said.payload.items.len(), 1);
    }

    #[tokio::test]
    async fn what_is_withdrawn_or_not_there_is_not_packed() {
        let store = shop(&[("a", 1)]).await;
        store
            .commit(&[pick_list::withdraw(&id("a"))])
            .await
            .unwrap();
        let error = pack(&store, &id("a"), 9).await.unwrap_err();
        assert!(matches!(error, PackError::Withdrawn(_)), "{error}");
        let error = pack(&store, &id("b"), 9).await.unwrap_err();
        assert!(matches!(error, PackError::NoList(_)), "{error}");
        assert!(store.said().is_empty());
    }
}
