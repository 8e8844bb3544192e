//! An order, from the set of its events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shop_events::{Lines, OrderId};

use crate::event::{Entry, Event};
use crate::facts::{Facts, Summary};

/// An order, as its events tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Whose it is, what it costs, how far it is.
    #[serde(flatten)]
    pub summary: Summary,
    /// What was ordered.
    #[serde(default)]
    pub items: Lines,
    /// Its events, by time and id.
    pub history: Vec<Entry>,
}

/// Folds events into an order, as it was at the end of the millisecond `as_of` (since the Unix epoch) or is now; none
/// while they do not tell whose it is and what it costs.
///
/// What `order.placed` says about that comes first, then what the earliest event says that tells it at all.
///
/// ```
/// use order_history::{Event, State, fold};
///
/// let event = |name: &str, at: u64| {
///     let body = format!(
///         r#"{{"type":"{name}","metadata":{{"id":"{name}","timestamp":{at},"correlationId":"c","version":1,"subject":"o-1"}},
///             "payload":{{"orderId":"o-1","userId":"u-1","total":{{"amount":500,"currency":"EUR"}},"items":[]}}}}"#
///     );
///     Event::in_body(&body).expect("an envelope")
/// };
/// let events = [event("stock.reserved", 8), event("order.placed", 7)]; // as they came
/// let order = |as_of| fold("o-1".parse().expect("an id"), events.clone(), as_of);
/// assert_eq!(order(None).map(|order| order.summary.state), Some(State::Reserved));
/// assert_eq!(order(Some(7)).map(|order| order.summary.state), Some(State::Placed));
/// assert!(order(Some(6)).is_none());
/// ```
#[must_use]
pub fn fold(
    order_id: OrderId,
    events: impl IntoIterator<Item = Event>,
    as_of: Option<u64>,
) -> Option<Order> {
    let events: BTreeMap<(u64, String), Event> = events
        .into_iter()
        .filter(|event| as_of.is_none_or(|moment| event.entry.at <= moment))
        .map(|event| ((event.entry.at, event.entry.id.clone()), event))
        .collect();
    let facts = events.values().map(Facts::of).reduce(Facts::join)?;
    let placed = events.values().filter(|event| event.is_placed());
    let items = placed
        .chain(events.values())
        .find_map(|event| event.items.clone());
    Some(Order {
        summary: facts.summary(order_id)?,
        items: items.unwrap_or_default(),
        history: events.into_values().map(|event| event.entry).collect(),
    })
}

#[cfg(test)]
mod tests;
