#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use dashpot::{Invocation, Recovery, Write};
use dashpot_testing::{Delivery, Index, MemoryStore, RecordingQueue, sqs_event};
use order_history::{State, Summary};

use super::*;
use crate::generation::Generation;
use crate::list;
use crate::row::{CUSTOMER, PLACED, STATE, STATE_AND_DAY};

fn table() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::with_indexes([
        Index::by_text(CUSTOMER, CUSTOMER, PLACED),
        Index::by_text(STATE, STATE_AND_DAY, PLACED),
    ]))
}

fn body(order: &str, name: &str, at: u64) -> String {
    format!(
        r#"{{"type":"{name}","payload":{{"orderId":"{order}","userId":"u-1","total":{{"amount":500,"currency":"EUR"}},"items":[],"paymentIntentId":"pi"}},"metadata":{{"id":"{order}-{name}-{at}","timestamp":{at},"correlationId":"c","version":1,"subject":"{order}"}}}}"#
    )
}

/// Hands messages over in one batch; how many come back.
async fn take(store: &Arc<MemoryStore>, bodies: &[String]) -> usize {
    let queue = RecordingQueue::new();
    let consumer = crate::consumer(Arc::clone(store), &queue, Recovery::default()).log_to(|_| {});
    let deliveries: Vec<Delivery> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| Delivery::new(format!("m-{n}"), body))
        .collect();
    let response = consumer
        .handle_batch(&sqs_event("listing", &deliveries), &Invocation::default())
        .await
        .unwrap();
    assert!(queue.parked().is_empty());
    response.batch_item_failures.len()
}

async fn in_state(store: &Arc<MemoryStore>, state: State, day: &str) -> Vec<String> {
    let orders = list::of_state(store, Generation(1), state, day).await;
    ids(&orders.unwrap())
}

fn ids(orders: &[Summary]) -> Vec<String> {
    orders
        .iter()
        .map(|order| order.order_id.to_string())
        .collect()
}

const NOON: u64 = 1_732_449_600_000;

#[tokio::test]
async fn an_order_is_found_by_customer_and_by_state_and_day() {
    let store = table();
    let bodies = [
        body("o-1", "order.placed", NOON),
        body("o-2", "order.placed", NOON + 1),
        body("o-1", "stock.reserved", NOON + 9),
    ];
    assert_eq!(take(&store, &bodies).await, 0);
    let customer = "u-1".parse().unwrap();
    let orders = list::of_customer(&store, Generation(1), &customer)
        .await
        .unwrap();
    assert_eq!(ids(&orders), ["o-2", "o-1"]);
    let last = &orders[1].last;
    assert_eq!(
        (last.at, last.event_type.as_str()),
        (NOON + 9, "stock.reserved")
    );
    assert_eq!(in_state(&store, State::Placed, "2024-11-24").await, ["o-2"]);
    assert_eq!(
        in_state(&store, State::Reserved, "2024-11-24").await,
        ["o-1"]
    );
    assert!(
        in_state(&store, State::Placed, "2024-11-25")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn an_order_is_the_same_whatever_comes_first_or_again() {
    let names = [
        "order.placed",
        "stock.reserved",
        "payment.captured",
        "pick_list.created",
    ];
    let bodies: Vec<String> = names
        .iter()
        .zip(NOON..)
        .map(|(name, at)| body("o-1", name, at))
        .collect();
    let forth = table();
    take(&forth, &bodies).await;
    let back = table();
    for body in bodies.iter().rev().chain(&bodies) {
        take(&back, std::slice::from_ref(body)).await;
    }
    assert_eq!(forth.rows("g1#"), back.rows("g1#"));
    assert_eq!(
        in_state(&back, State::Confirmed, "2024-11-24").await,
        ["o-1"]
    );
}

#[tokio::test]
async fn a_message_costs_two_round_trips_and_a_repeat_one() {
    let store = table();
    let placed = body("o-1", "order.placed", NOON);
    for (body, cost) in [
        (placed.clone(), 2),
        (body("o-1", "stock.reserved", NOON), 2),
        (placed, 1),
    ] {
        let before = store.round_trips();
        take(&store, &[body]).await;
        assert_eq!(store.round_trips() - before, cost);
    }
}

#[tokio::test]
async fn what_is_about_no_order_of_ours_leaves_nothing() {
    let store = table();
    let foreign = r#"{"type":"comet.seen","payload":[],"metadata":{"subject":"a comet","id":"e"}}"#;
    assert_eq!(take(&store, &[foreign.to_owned()]).await, 0);
    assert!(store.rows("").is_empty());
}

#[tokio::test]
async fn while_a_generation_is_being_built_events_go_into_both() {
    let store = table();
    take(&store, &[body("o-1", "order.placed", NOON)]).await;
    let (_, begin) = Generations::default().begin(0);
    store.commit(&[begin]).await.unwrap();
    take(
        &store,
        &[
            body("o-1", "stock.reserved", NOON),
            body("o-2", "order.placed", NOON),
        ],
    )
    .await;
    assert_eq!(store.rows("g1#").len(), 2);
    assert_eq!(store.rows("g2#").len(), 2);
    // What came before is for the rebuild to bring.
    let rows = store.rows("g2#order#o-1");
    let facts = row::facts(&rows[0]).unwrap();
    let both = row::facts(&store.rows("g1#order#o-1")[0]).unwrap();
    assert_ne!(facts, both);
    assert_eq!(facts.clone().join(both.clone()), both);
}

/// A table whose row changes between a handler's read and its write, so many times.
#[derive(Clone)]
struct Contended {
    table: Arc<MemoryStore>,
    by: Arc<Mutex<Vec<String>>>,
}

impl Store for Contended {
    async fn commit(&self, writes: &[Write]) -> Result<(), dashpot::CommitError> {
        let other = self.by.lock().unwrap().pop();
        if let Some(other) = other {
            take(&self.table, &[other]).await;
        }
        self.table.commit(writes).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, dashpot::StoreError> {
        self.table.get(keys).await
    }

    async fn query(&self, query: &dashpot::Query) -> Result<dashpot::Page, dashpot::StoreError> {
        self.table.query(query).await
    }
}

#[tokio::test]
async fn what_another_wrote_in_between_is_kept() {
    let others = ["order.placed", "payment.captured", "pick_list.created"];
    let store = Contended {
        table: table(),
        by: Arc::new(Mutex::new(
            others.map(|name| body("o-1", name, NOON)).into(),
        )),
    };
    let queue = RecordingQueue::new();
    let consumer = crate::consumer(store.clone(), &queue, Recovery::default()).log_to(|_| {});
    let event = sqs_event(
        "listing",
        &[Delivery::new("m", body("o-1", "stock.reserved", NOON))],
    );
    let response = consumer
        .handle_batch(&event, &Invocation::default())
        .await
        .unwrap();
    assert!(response.batch_item_failures.is_empty());
    assert!(store.by.lock().unwrap().is_empty());
    assert_eq!(
        in_state(&store.table, State::Confirmed, "2024-11-24").await,
        ["o-1"]
    );
}
