//! What a set of events says about an order. A set: neither duplicates nor the order of arrival change it.

use std::collections::BTreeMap;

use dashpot::Event as _;
use serde::Serialize;
use shop_events::{
    Money, OrderCancelled, OrderId, OrderPlaced, PaymentCaptured, PaymentFailed, PaymentVoided,
    PickListCreated, StockRejected, StockReserved, UserId,
};

use crate::event::{Entry, Event};

/// An order, as its events tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// What it costs.
    pub total: Money,
    /// How far it is.
    pub state: State,
    /// Its events, by time and id.
    pub history: Vec<Entry>,
}

/// How far an order is. A later one wins where the events would allow several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is decided yet.
    Placed,
    /// Its stock is set aside.
    Reserved,
    /// The money is taken and the pick list made.
    Confirmed,
    /// Short of stock with the hold voided (or without one), or the capture was refused.
    Rejected,
    /// Cancelled.
    Cancelled,
}

/// Folds events into an order; none while they do not tell whose it is and what it costs.
///
/// What `order.placed` says about that comes first, then what the earliest event says that tells it at all.
#[must_use]
pub fn fold(order_id: OrderId, events: impl IntoIterator<Item = Event>) -> Option<Order> {
    let events: BTreeMap<(u64, String), Event> = events
        .into_iter()
        .map(|event| ((event.entry.at, event.entry.id.clone()), event))
        .collect();
    let is_placed = |event: &&Event| OrderPlaced::NAMES.contains(&event.entry.event_type.as_str());
    let by_weight = || events.values().filter(is_placed).chain(events.values());
    Some(Order {
        order_id,
        user_id: by_weight().find_map(|event| event.user_id.clone())?,
        total: by_weight().find_map(|event| event.total)?,
        state: state(&events),
        history: events.into_values().map(|event| event.entry).collect(),
    })
}

fn state(events: &BTreeMap<(u64, String), Event>) -> State {
    let named = |name: &'static str| {
        events
            .values()
            .filter(move |event| event.entry.event_type == name)
    };
    let seen = |name| named(name).next().is_some();
    let nothing_held = || named(StockRejected::TYPE).any(|event| !event.names_hold);
    let short = seen(StockRejected::TYPE) && (seen(PaymentVoided::TYPE) || nothing_held());

    if seen(OrderCancelled::TYPE) {
        State::Cancelled
    } else if short || seen(PaymentFailed::TYPE) {
        State::Rejected
    } else if seen(PaymentCaptured::TYPE) && seen(PickListCreated::TYPE) {
        State::Confirmed
    } else if seen(StockReserved::TYPE) {
        State::Reserved
    } else {
        State::Placed
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;

    fn id() -> OrderId {
        "o-1".parse().unwrap()
    }

    fn event(at: u64, event_type: &str) -> Event {
        Event {
            entry: Entry {
                id: format!("{event_type}-{at}"),
                event_type: event_type.into(),
                at,
                source: None,
                causation_id: None,
            },
            user_id: Some("u-1".parse().unwrap()),
            total: serde_json::from_str(r#"{"amount":500,"currency":"EUR"}"#).unwrap(),
            names_hold: true,
        }
    }

    fn state_of(types: &[&str]) -> State {
        let events = types.iter().zip(0..).map(|(name, at)| event(at, name));
        fold(id(), events).unwrap().state
    }

    #[test]
    fn each_state_has_its_events() {
        use State::{Cancelled, Confirmed, Placed, Rejected, Reserved};
        for (types, state) in [
            (&["order.placed"][..], Placed),
            (&["order.created"], Placed),
            (&["order.placed", "comet.seen"], Placed),
            (&["order.placed", "stock.reserved"], Reserved),
            (
                &["order.placed", "stock.reserved", "payment.captured"],
                Reserved,
            ),
            (
                &["order.placed", "stock.reserved", "pick_list.created"],
                Reserved,
            ),
            (
                &[
                    "order.placed",
                    "stock.reserved",
                    "payment.captured",
                    "pick_list.created",
                ],
                Confirmed,
            ),
            (&["payment.captured", "pick_list.created"], Confirmed),
            (&["order.placed", "stock.rejected"], Placed),
            (
                &["order.placed", "stock.rejected", "payment.voided"],
                Rejected,
            ),
            (&["order.placed", "payment.voided"], Placed),
            (
                &["stock.reserved", "pick_list.created", "payment.failed"],
                Rejected,
            ),
            (&["order.placed", "order.cancellation_requested"], Placed),
            (
                &["stock.reserved", "payment.voided", "order.cancelled"],
                Cancelled,
            ),
            (
                &["stock.rejected", "payment.voided", "order.cancelled"],
                Cancelled,
            ),
        ] {
            assert_eq!(state_of(types), state, "{types:?}");
        }
    }

    #[test]
    fn an_order_without_a_hold_is_rejected_as_soon_as_it_is_short() {
        let mut rejected = event(1, "stock.rejected");
        rejected.names_hold = false;
        let order = fold(id(), [event(0, "order.created"), rejected]).unwrap();
        assert_eq!(order.state, State::Rejected);
    }

    #[test]
    fn whose_it_is_is_told_by_the_order_itself_whenever_it_arrives() {
        let mut stranger = event(0, "comet.seen");
        stranger.user_id = Some("stranger".parse().unwrap());
        let order = fold(id(), [stranger.clone(), event(9, "order.placed")]).unwrap();
        assert_eq!(order.user_id.as_str(), "u-1");
        let order = fold(id(), [stranger]).unwrap();
        assert_eq!(order.user_id.as_str(), "stranger");
    }

    #[test]
    fn without_a_customer_or_a_total_there_is_no_order_yet() {
        let mut nobody = event(0, "order.placed");
        nobody.user_id = None;
        let mut priceless = event(1, "stock.reserved");
        priceless.total = None;
        assert_eq!(fold(id(), []), None);
        assert_eq!(fold(id(), [nobody.clone()]), None);
        assert_eq!(fold(id(), [priceless.clone()]), None);
        assert!(fold(id(), [nobody, priceless]).is_some());
    }

    #[test]
    fn an_order_keeps_its_published_shape() {
        let order = fold(id(), [event(7, "order.placed")]).unwrap();
        assert_eq!(
            serde_json::to_string(&order).unwrap(),
            r#"{"orderId":"o-1","userId":"u-1","total":{"amount":500,"currency":"EUR"},"state":"placed","history":[{"id":"order.placed-7","type":"order.placed","at":7,"source":null,"causationId":null}]}"#
        );
    }

    /// Events of every kind, some of them at the same moment.
    fn pool() -> Vec<Event> {
        let types = [
            "order.placed",
            "stock.reserved",
            "stock.rejected",
            "payment.captured",
            "payment.voided",
            "payment.refunded",
            "payment.failed",
            "pick_list.created",
            "pick_list.packed",
            "order.cancellation_requested",
            "order.cancelled",
            "comet.seen",
        ];
        let moments = [0, 1, 1];
        moments
            .iter()
            .flat_map(|at| types.iter().map(|name| event(*at, name)))
            .collect()
    }

    /// Some events, and the same ones as they may arrive: shuffled, some of them several times.
    fn arrivals() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
        subsequence(pool(), 1..=12).prop_flat_map(|events| {
            let again = proptest::collection::vec(select(events.clone()), 0..8);
            let all = events.clone();
            let arrived = again
                .prop_map(move |again| [all.clone(), again].concat())
                .prop_shuffle();
            (Just(events), arrived)
        })
    }

    proptest! {
        #[test]
        fn neither_duplicates_nor_the_order_of_arrival_change_anything((events, arrived) in arrivals()) {
            prop_assert_eq!(fold(id(), events), fold(id(), arrived));
        }

        #[test]
        fn what_comes_later_never_takes_an_order_back((events, _) in arrivals(), (more, _) in arrivals()) {
            let state = |events| fold(id(), events).unwrap().state;
            let both = state([events.clone(), more.clone()].concat());
            prop_assert!(both >= state(events) && both >= state(more));
        }

        #[test]
        fn the_history_is_sorted_and_names_each_event_once((_, arrived) in arrivals()) {
            let history = fold(id(), arrived).unwrap().history;
            let keys: Vec<_> = history.iter().map(|entry| (entry.at, &entry.id)).collect();
            prop_assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
