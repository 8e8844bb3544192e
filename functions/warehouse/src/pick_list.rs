//! The pick list's row: one an order, for ever, because it is the proof of what was decided.

use dashpot::{Condition, Failure, FailureExt, Item, Key, Row, Value, Write, shard};
use shop_events::{OrderId, PickListCreated};

/// The sparse index of the lists that are to be picked, by shard; it is its partition key as well.
pub const INDEX: &str = "toPick";

/// The index's sort key: since when, in milliseconds since the Unix epoch.
pub const SINCE: &str = "since";

/// Where a pick list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be picked.
    Open,
    /// A person has packed it: the goods are on their way, and nothing takes them back.
    Packed,
    /// Not to be picked, now or later.
    Withdrawn,
}

impl State {
    /// The word for it in the row.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Packed => "packed",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Where the list of this row stands.
    ///
    /// # Errors
    /// A permanent [`Failure`] when the row says something else: no event can decide about that.
    pub fn of(row: &Item) -> Result<Self, Failure> {
        let state = row.get("state").and_then(Value::as_str);
        [Self::Open, Self::Packed, Self::Withdrawn]
            .into_iter()
            .find(|known| Some(known.as_str()) == state)
            .ok_or("the pick list is in no state that is known here")
            .permanent()
    }
}

/// Where an order's pick list lies.
#[must_use]
pub fn key(order: &OrderId) -> Key {
    Key::new(format!("pick_list#{order}"))
}

/// A list to be picked.
///
/// It keeps as JSON, in the attribute `list`, what packing has to say later, and the correlation id to say it
/// under: the customer's e-mail address stays inside that one attribute.
///
/// # Errors
/// A permanent [`Failure`] when the list cannot be written as JSON.
pub fn open(list: &PickListCreated, correlation_id: &str, now: u64) -> Result<Row, Failure> {
    Ok(row(&list.order_id, State::Open)
        .set("list", serde_json::to_string(list).permanent()?)
        .set("correlationId", correlation_id)
        .set(INDEX, shard(list.order_id.as_str()).to_string())
        .set(SINCE, now))
}

/// A list that was withdrawn before it was made: what comes late finds it and is done.
#[must_use]
pub fn withdrawn(order: &OrderId) -> Row {
    row(order, State::Withdrawn)
}

/// Withdraws an open list; refused if it is not open any more.
#[must_use]
pub fn withdraw(order: &OrderId) -> Write {
    end(order, State::Withdrawn)
}

/// Marks an open list as packed; refused if it is not open any more.
#[must_use]
pub fn pack(order: &OrderId) -> Write {
    end(order, State::Packed)
}

fn end(order: &OrderId, state: State) -> Write {
    Write::update(key(order))
        .set("state", state.as_str())
        .remove(INDEX)
        .remove(SINCE)
        .when(Condition::equals("state", State::Open.as_str()))
}

fn row(order: &OrderId, state: State) -> Row {
    Row::new(key(order)).set("state", state.as_str())
}
