//! The answers: an index each, never the whole table.

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
    all(store, Query::index(CUSTOMER, (CUSTOMER, partition))).await
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
    all(store, Query::index(STATE, (STATE_AND_DAY, partition))).await
}

async fn all<S: Store>(store: &S, query: Query) -> Result<Vec<Summary>, StoreError> {
    let mut orders = Vec::new();
    for row in query.all(store).await?.iter().rev() {
        let facts = row::facts(row).map_err(|error| StoreError(error.to_string()))?;
        let order = row::order(row);
        orders.extend(order.and_then(|order| facts.summary(order)));
    }
    Ok(orders)
}
