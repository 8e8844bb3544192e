#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::facts::{Balance, Cancellation, State};

fn id() -> OrderId {
    "o-1".parse().unwrap()
}

fn event(at: u64, event_type: &str) -> Event {
    let money = serde_json::from_str(r#"{"amount":500,"currency":"EUR"}"#).unwrap();
    Event {
        subject: "o-1".into(),
        entry: Entry {
            id: format!("{event_type}-{at}"),
            event_type: event_type.into(),
            at,
            source: None,
            causation_id: None,
        },
        user_id: Some("u-1".parse().unwrap()),
        total: Some(money),
        items: None,
        amount: Some(money),
        names_hold: true,
    }
}

fn order(events: impl IntoIterator<Item = Event>) -> Order {
    fold(id(), events, None).unwrap()
}

fn of(types: &[&str]) -> Summary {
    let events = types.iter().zip(0..).map(|(name, at)| event(at, name));
    order(events).summary
}

#[test]
fn each_state_has_its_events() {
    use State::{Cancelled, Confirmed, Packed, Placed, Rejected, Reserved};
    for (types, state) in [
        (&["order.placed"][..], Placed),
        (&["order.created"], Placed),
        (&["order.placed", "comet.seen"], Placed),
        (&["order.placed", "stock.reserved"], Reserved),
        (&["stock.reserved", "payment.captured"], Reserved),
        (&["stock.reserved", "pick_list.created"], Reserved),
        (
            &["stock.reserved", "payment.captured", "pick_list.created"],
            Confirmed,
        ),
        (&["payment.captured", "pick_list.created"], Confirmed),
        (
            &["payment.captured", "pick_list.created", "pick_list.packed"],
            Packed,
        ),
        (&["payment.captured", "pick_list.packed"], Packed),
        // Packed before it was paid for, as a person may: it is not paid for.
        (
            &["stock.reserved", "pick_list.created", "pick_list.packed"],
            Reserved,
        ),
        (&["order.placed", "stock.rejected"], Placed),
        (&["stock.rejected", "payment.voided"], Rejected),
        (&["order.placed", "payment.voided"], Placed),
        (
            &["stock.reserved", "pick_list.created", "payment.failed"],
            Rejected,
        ),
        (&["order.placed", "order.cancellation_requested"], Placed),
        (&["payment.voided", "order.cancelled"], Cancelled),
        (
            &["stock.rejected", "payment.voided", "order.cancelled"],
            Cancelled,
        ),
    ] {
        assert_eq!(of(types).state, state, "{types:?}");
    }
}

#[test]
fn a_cancellation_is_asked_for_and_answered() {
    use Cancellation::{Granted, None, Refused, Requested};
    let (asked, refused) = ("order.cancellation_requested", "order.cancellation_refused");
    for (types, cancellation) in [
        (&["order.placed"][..], None),
        (&[asked], Requested),
        (&[asked, refused], Refused),
        (&[refused, asked], Refused),
        (&[refused], Refused),
        (&[asked, "order.cancelled"], Granted),
    ] {
        assert_eq!(of(types).cancellation, cancellation, "{types:?}");
    }
}

#[test]
fn the_money_is_what_was_told_of_it() {
    let all = ["payment.captured", "payment.refunded", "payment.voided"];
    let money = of(&all).money;
    assert!(money.captured.is_some() && money.refunded.is_some() && money.voided.is_some());
    assert_eq!(
        of(&["order.placed", "payment.failed"]).money,
        Balance::default()
    );
}

#[test]
fn an_order_without_a_hold_is_rejected_as_soon_as_it_is_short() {
    let mut rejected = event(1, "stock.rejected");
    rejected.names_hold = false;
    let order = order([event(0, "order.created"), rejected]);
    assert_eq!(order.summary.state, State::Rejected);
}

#[test]
fn whose_it_is_and_what_it_holds_is_told_by_the_order_itself_whenever_it_arrives() {
    let lines = |sku: &str| {
        let text = format!(r#"[{{"sku":"{sku}","quantity":1}}]"#);
        serde_json::from_str::<Lines>(&text).unwrap()
    };
    let mut stranger = event(0, "comet.seen");
    stranger.user_id = Some("stranger".parse().unwrap());
    stranger.items = Some(lines("comet"));
    let mut placed = event(9, "order.placed");
    placed.items = Some(lines("chair"));
    let both = order([stranger.clone(), placed]);
    assert_eq!(both.summary.user_id.as_str(), "u-1");
    assert_eq!((both.summary.placed_at, both.summary.last.at), (9, 9));
    assert_eq!(both.items, lines("chair"));
    let alone = order([stranger]);
    assert_eq!(alone.summary.user_id.as_str(), "stranger");
    assert_eq!((alone.summary.placed_at, alone.items), (0, lines("comet")));
}

#[test]
fn without_a_customer_or_a_total_there_is_no_order_yet() {
    let mut nobody = event(0, "order.placed");
    nobody.user_id = None;
    let mut priceless = event(1, "stock.reserved");
    priceless.total = None;
    let fold = |events: &[Event]| fold(id(), events.to_vec(), None);
    assert_eq!(fold(&[]), None);
    assert_eq!(fold(&[nobody.clone()]), None);
    assert_eq!(fold(&[priceless.clone()]), None);
    assert!(fold(&[nobody, priceless]).is_some());
}

#[test]
fn an_order_keeps_its_published_shape() {
    let order = order([event(7, "order.placed"), event(8, "payment.captured")]);
    let text = serde_json::to_string(&order).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"orderId":"o-1","userId":"u-1","total":{"amount":500,"currency":"EUR"},"state":"placed","#,
            r#""cancellation":"none","money":{"captured":{"amount":500,"currency":"EUR"}},"placedAt":7,"#,
            r#""last":{"at":8,"id":"payment.captured-8","type":"payment.captured"},"items":[],"#,
            r#""history":[{"id":"order.placed-7","type":"order.placed","at":7,"source":null,"causationId":null},"#,
            r#"{"id":"payment.captured-8","type":"payment.captured","at":8,"source":null,"causationId":null}]}"#,
        )
    );
    assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order);
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
        "order.cancellation_refused",
        "order.cancelled",
        "comet.seen",
    ];
    let moments = [0, 1, 1];
    moments
        .iter()
        .flat_map(|at| types.iter().map(|name| event(*at, name)))
        .enumerate()
        .map(|(n, mut event)| {
            // An id names one event.
            let n = if n < 26 { n } else { n - 13 };
            event.user_id = Some(format!("u-{n}").parse().unwrap());
            event.total = event.total.filter(|_| n % 3 > 0);
            event
        })
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

fn joined(events: &[Event]) -> Facts {
    events
        .iter()
        .map(Facts::of)
        .fold(Facts::default(), Facts::join)
}

proptest! {
    #[test]
    fn neither_duplicates_nor_the_order_of_arrival_change_anything((events, arrived) in arrivals()) {
        prop_assert_eq!(fold(id(), events, None), fold(id(), arrived, None));
    }

    #[test]
    fn any_part_is_a_valid_state_and_more_never_takes_an_order_back(
        (events, _) in arrivals(), (more, _) in arrivals(),
    ) {
        let stands = |events: &[Event]| {
            joined(events).summary(id()).map(|it| (it.state, it.cancellation))
        };
        let both = stands(&[events.clone(), more.clone()].concat());
        for part in [stands(&events), stands(&more)].into_iter().flatten() {
            let (state, cancellation) = both.unwrap();
            prop_assert!(state >= part.0 && cancellation >= part.1);
        }
    }

    #[test]
    fn facts_are_joined_in_any_grouping_and_as_often_as_one_likes(
        (one, one_again) in arrivals(), (two, two_again) in arrivals(),
    ) {
        let apart = joined(&two_again).join(joined(&one_again)).join(joined(&two));
        prop_assert_eq!(apart, joined(&[one, two].concat()));
    }

    #[test]
    fn facts_survive_being_written_down((events, _) in arrivals()) {
        let facts = joined(&events);
        let text = serde_json::to_string(&facts).unwrap();
        prop_assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
    }

    #[test]
    fn at_any_moment_an_order_is_what_had_happened_by_then((events, arrived) in arrivals(), moment in 0_u64..3) {
        let by_then = events.into_iter().filter(|event| event.entry.at <= moment);
        prop_assert_eq!(fold(id(), arrived, Some(moment)), fold(id(), by_then, None));
    }

    #[test]
    fn the_history_is_sorted_and_names_each_event_once((_, arrived) in arrivals()) {
        if let Some(order) = fold(id(), arrived, None) {
            let keys: Vec<_> = order.history.iter().map(|entry| (entry.at, &entry.id)).collect();
            prop_assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
