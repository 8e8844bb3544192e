//! Which orders are late.

use dashpot::{Query, SHARDS, Store, StoreError, Value};
use shop_events::OrderId;

use crate::standing::{LATE, SINCE, order};

/// An order that is not finished in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// The order.
    pub order_id: OrderId,
    /// When it was placed, in milliseconds since the Unix epoch.
    pub placed_at: u64,
}

/// All of them, the oldest first.
///
/// # Errors
/// The table does not answer.
pub async fn all<S: Store>(store: &S) -> Result<Vec<Late>, StoreError> {
    let mut late = Vec::new();
    for shard in 0..SHARDS {
        let query = Query::index(LATE, (LATE, shard.to_string()));
        let rows = query.all(store).await?;
        late.extend(rows.iter().filter_map(|row| {
            let placed_at = row.get(SINCE).and_then(Value::as_i64)?;
            Some(Late {
                order_id: order(row)?,
                placed_at: placed_at.try_into().ok()?,
            })
        }));
    }
    late.sort_by(|a, b| (a.placed_at, &a.order_id).cmp(&(b.placed_at, &b.order_id)));
    Ok(late)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use dashpot::{Row, Write};
    use dashpot_testing::{Index, MemoryStore};

    use super::*;
    use crate::standing::key;

    #[tokio::test]
    async fn what_is_late_is_listed_the_oldest_first() {
        let store = MemoryStore::with_indexes([Index::by_number(LATE, LATE, SINCE)]);
        for (order, since) in [("b", 3_u64), ("a", 7), ("c", 1)] {
            let row = Row::new(key(&order.parse().unwrap()));
            let row = row.set(LATE, "3").set(SINCE, since);
            store.commit(&[Write::put(row)]).await.unwrap();
        }
        let late = all(&store).await.unwrap();
        let orders: Vec<_> = late.iter().map(|it| it.order_id.as_str()).collect();
        assert_eq!(orders, ["c", "b", "a"]);
    }
}
