//! An order's row, and how events are folded into it.

use dashpot::{Condition, Item, Key, Row, Value, Write, day};
use order_history::{Facts, State};
use shop_events::{OrderId, UserId};

use crate::generation::Generation;

/// The index by customer, and its partition key.
pub const CUSTOMER: &str = "customer";
/// The index by state and day.
pub const STATE: &str = "state";
/// The partition key of that index.
pub const STATE_AND_DAY: &str = "stateDay";
/// The sort key of both: by the time at which the order was placed.
pub const PLACED: &str = "placed";

/// The row does not hold what was written here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the row {0} cannot be read: `orders rebuild` makes a new one")]
pub struct Unreadable(pub String);

/// Where an order's row lies.
#[must_use]
pub fn key(generation: Generation, order: &OrderId) -> Key {
    Key::new(format!("{generation}#order#{order}"))
}

/// The value under which the index `customer` has a customer's orders.
#[must_use]
pub fn of_customer(generation: Generation, customer: &UserId) -> String {
    format!("{generation}#{customer}")
}

/// The value under which the index `state` has the orders of a day (`2026-11-24`, UTC) in a state.
///
/// All of them are one partition of the index, which takes a thousand changes a second.
#[must_use]
pub fn of_state(generation: Generation, state: State, day: &str) -> String {
    format!("{generation}#{}#{day}", state.as_str())
}

/// The row that says these facts. As long as they do not tell whose order it is and what it costs, no index has it.
///
/// # Errors
/// The facts cannot be written.
pub fn row(
    generation: Generation,
    order: &OrderId,
    facts: &Facts,
    version: i64,
) -> Result<Row, serde_json::Error> {
    let row = Row::new(key(generation, order))
        .set("facts", serde_json::to_string(facts)?)
        .set("version", version);
    Ok(match facts.summary(order.clone()) {
        None => row,
        Some(it) => row
            .set(CUSTOMER, of_customer(generation, &it.user_id))
            .set(
                STATE_AND_DAY,
                of_state(generation, it.state, &day(it.placed_at)),
            )
            .set(PLACED, format!("{:013}#{order}", it.placed_at)),
    })
}

/// What the row says.
///
/// # Errors
/// [`Unreadable`] when it was not written here.
pub fn facts(row: &Item) -> Result<Facts, Unreadable> {
    let text = row.get("facts").and_then(Value::as_str);
    let facts = text.and_then(|text| serde_json::from_str(text).ok());
    facts.ok_or_else(|| {
        let pk = row.get("pk").and_then(Value::as_str);
        Unreadable(pk.unwrap_or_default().to_owned())
    })
}

/// The order that a row is about.
#[must_use]
pub fn order(row: &Item) -> Option<OrderId> {
    let (_, order) = row.get("pk")?.as_str()?.split_once("#order#")?;
    order.parse().ok()
}

/// The write that brings facts into a row as it stands; none where they are in it. Refused, it tells the row as it
/// stands by then.
///
/// # Errors
/// [`Unreadable`] when the row was not written here.
pub fn fold(
    generation: Generation,
    order: &OrderId,
    facts: &Facts,
    standing: Option<&Item>,
) -> Result<Option<Write>, Unreadable> {
    let row = |facts: &Facts, version| {
        row(generation, order, facts, version).map_err(|_| Unreadable(key(generation, order).pk))
    };
    let Some(standing) = standing else {
        return Ok(Some(Write::create(row(facts, 1)?)));
    };
    let before = self::facts(standing)?;
    let after = before.clone().join(facts.clone());
    if after == before {
        return Ok(None);
    }
    let version = standing.get("version").and_then(Value::as_i64);
    let version = version.unwrap_or_default();
    let unchanged = Condition::equals("version", version);
    Ok(Some(Write::put(row(&after, version + 1)?).when(unchanged)))
}
