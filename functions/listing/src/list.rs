//! The answers: an index each, a page at a time, never the whole table.

use dashpot::{Query, Store, StoreError};
use order_history::{State, Summary};
use shop_events::UserId;

use crate::generation::Generation;
use crate::row::{self, CUSTOMER, STATE, STATE_AND_DAY};

/// A customer's orders, the newest first.
///
/// # Errors
/// [`StoreError`] when the table does not answer, or has a row that is not ours.
pub async fn of_customer<S: Store>(
    store: &S,
    generation: Generation,
    customer: &UserId,
) -> Result<Vec<Summary>, StoreError> {
    let partition = row::of_customer(generation, customer);
    all(store, CUSTOMER, (CUSTOMER, partition)).await
}

/// The orders that were placed on a day (`2026-11-24`, UTC) and are in a state, the newest first.
///
/// # Errors
/// As [`of_customer`].
pub async fn of_state<S: Store>(
    store: &S,
    generation: Generation,
    state: State,
    day: &str,
) -> Result<Vec<Summary>, StoreError> {
    let partition = row::of_state(generation, state, day);
    all(store, STATE, (STATE_AND_DAY, partition)).await
}

async fn all<S: Store>(
    store: &S,
    index: &'static str,
    partition: (&'static str, String),
) -> Result<Vec<Summary>, StoreError> {
    let mut query = Query {
        index: Some(index),
        partition,
        ..Query::partition("")
    };
    let mut orders = Vec::new();
    loop {
        let page = store.query(&query).await?;
        for row in &page.items {
            let facts = row::facts(row).map_err(|error| StoreError(error.to_string()))?;
            let order = row::order(row);
            orders.extend(order.and_then(|order| facts.summary(order)));
        }
        query.after = page.next;
        if query.after.is_none() {
            orders.reverse();
            return Ok(orders);
        }
    }
}
