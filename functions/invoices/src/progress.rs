//! How far it is: what is written so far.

use dashpot::{Key, SHARDS, Store, StoreError, Value};
use shop_events::OrderId;

/// How many invoices are written.
///
/// # Errors
/// The table does not answer.
pub async fn written<S: Store>(store: &S) -> Result<u64, StoreError> {
    let keys: Vec<Key> = (0..SHARDS)
        .map(|shard| Key::new(format!("written#{shard}")))
        .collect();
    let rows = store.get(&keys).await?;
    let counts = rows
        .iter()
        .flatten()
        .filter_map(|row| row.get("invoices")?.as_i64());
    Ok(u64::try_from(counts.sum::<i64>()).unwrap_or_default())
}

/// A written invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its number.
    pub number: String,
    /// Its key in the bucket.
    pub object: String,
}

/// The invoice of an order; none while it is not written.
///
/// # Errors
/// The table does not answer.
pub async fn of<S: Store>(store: &S, order: &OrderId) -> Result<Option<Written>, StoreError> {
    let key = Key::of(format!("invoice#{order}"), "document");
    let rows = store.get(&[key]).await?;
    let row = rows.into_iter().flatten().next();
    let text = |name: &str| {
        row.as_ref()?
            .get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    Ok(text("number")
        .zip(text("object"))
        .map(|(number, object)| Written { number, object }))
}
