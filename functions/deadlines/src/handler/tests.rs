#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use dashpot::{Invocation, Recovery};
use dashpot_testing::{Delivery, Index, MemoryStore, RecordingQueue, sqs_event};
use order_history::{Event, State};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::late::all;
use crate::standing::{LATE, SINCE};

const PLACED_AT: u64 = 1_793_611_800_000;
const MINUTE: u64 = 60_000;

struct Shop {
    store: Arc<MemoryStore>,
    queue: RecordingQueue,
}

fn body(event_type: &str, id: &str, held: bool) -> String {
    let version = if event_type == "order.placed" { 2 } else { 1 };
    // Who tells of a payment knows it.
    let says_so = matches!(event_type, "order.placed" | "stock.rejected");
    let intent = (held || !says_so).then_some("pi_1");
    let mut payload = json!({
        "orderId": "o:1", "userId": "u", "customer": {"email": "ada@example.com"},
        "total": {"amount": 500, "currency": "EUR"}, "amount": {"amount": 500, "currency": "EUR"},
        "items": [], "short": [], "reason": "card_declined",
    });
    if let Some(intent) = intent {
        payload["paymentIntentId"] = intent.into();
    }
    json!({
        "type": event_type, "payload": payload,
        "metadata": {"id": id, "timestamp": PLACED_AT, "correlationId": "c", "version": version, "subject": "o:1"},
    })
    .to_string()
}

impl Shop {
    fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::with_indexes([Index::by_number(
                LATE, LATE, SINCE,
            )])),
            queue: RecordingQueue::new(),
        }
    }

    /// Hands one message over, which must be settled.
    async fn take(&self, event_type: &str) {
        self.take_body(&body(event_type, event_type, true)).await;
    }

    async fn take_body(&self, body: &str) {
        let terms = Terms {
            late_after: Duration::from_mins(15),
            abandon_after: Duration::from_hours(24),
            log: |_| {},
        };
        let store = Arc::clone(&self.store);
        let consumer =
            crate::consumer(store, &self.queue, terms, Recovery::default()).log_to(|_| {});
        let event = sqs_event("deadlines", &[Delivery::new("m", body)]);
        let answer = consumer.handle_batch(&event, &Invocation::default()).await;
        assert!(answer.unwrap().batch_item_failures.is_empty(), "{body}");
        assert!(self.queue.parked().is_empty(), "{:?}", self.queue.parked());
    }

    async fn is_late(&self) -> bool {
        !all(&self.store).await.unwrap().is_empty()
    }

    fn commanded(&self) -> Vec<String> {
        let commands = self.store.commanded().into_iter();
        commands.map(|(_, event_type)| event_type).collect()
    }

    /// What the commands of that type say of their time: `due`, `schedule`, `cancels`.
    fn timing(&self, event_type: &str) -> (Option<i64>, Option<String>) {
        let rows = self.store.rows("outbox#");
        let row = rows
            .iter()
            .find(|row| row["type"].as_str() == Some(event_type));
        let row = row.unwrap();
        let name = row.get("schedule").or(row.get("cancels"));
        let name = name.and_then(|it| it.as_str()).map(str::to_owned);
        (row.get("due").and_then(dashpot::Value::as_i64), name)
    }
}

#[tokio::test]
async fn an_order_is_looked_at_a_quarter_of_an_hour_after_it_was_placed() {
    let shop = Shop::new();
    shop.take("order.placed").await;
    assert_eq!(shop.commanded(), ["order.check"]);
    let due = i64::try_from(PLACED_AT + 15 * MINUTE).unwrap();
    assert_eq!(shop.timing("order.check"), (Some(due), None));
}

#[tokio::test]
async fn an_order_that_is_finished_by_then_is_not_late() {
    let shop = Shop::new();
    for event_type in [
        "payment.captured",
        "order.placed",
        "pick_list.created",
        "order.check",
    ] {
        shop.take(event_type).await;
    }
    assert!(!shop.is_late().await);
    assert_eq!(shop.commanded(), ["order.check"]);
}

#[tokio::test]
async fn an_order_whose_money_is_only_held_is_given_up_a_day_after_it_was_placed() {
    let shop = Shop::new();
    for event_type in ["order.placed", "pick_list.created", "order.check"] {
        shop.take(event_type).await;
    }
    assert!(shop.is_late().await);
    let due = i64::try_from(PLACED_AT + 24 * 60 * MINUTE).unwrap();
    let name = Some("o.1".to_owned());
    assert_eq!(shop.timing("order.abandon"), (Some(due), name));
    shop.take("order.abandon").await;
    // Again, under another id.
    shop.take_body(&body("order.abandon", "again", true)).await;
    assert_eq!(shop.store.said(), ["order.cancellation_requested"]);
    shop.take("order.cancelled").await;
    assert!(!shop.is_late().await);
}

#[tokio::test]
async fn an_order_that_goes_on_after_all_is_not_given_up() {
    let shop = Shop::new();
    for event_type in ["order.placed", "order.check", "payment.captured"] {
        shop.take(event_type).await;
    }
    assert!(shop.is_late().await, "nothing is picked yet");
    assert_eq!(
        shop.commanded(),
        ["order.check", "order.abandon", "schedule.cancel"]
    );
    assert_eq!(
        shop.timing("schedule.cancel"),
        (None, Some("o.1".to_owned()))
    );
    // It was on its way.
    shop.take("order.abandon").await;
    assert!(shop.store.said().is_empty());
    shop.take("pick_list.created").await;
    assert!(!shop.is_late().await);
}

#[tokio::test]
async fn nothing_is_given_up_where_nothing_is_held() {
    let shop = Shop::new();
    shop.take_body(&body("order.placed", "order.placed", false))
        .await;
    shop.take("order.check").await;
    assert!(shop.is_late().await);
    assert_eq!(shop.commanded(), ["order.check"]);
}

#[tokio::test]
async fn what_comes_while_an_order_becomes_late_is_not_lost() {
    let shop = Shop::new();
    shop.take("order.placed").await;
    let row = shop
        .store
        .row(&standing::key(&"o:1".parse().unwrap()))
        .unwrap();
    let seen = Standing::of(Some(&row));
    shop.take("payment.captured").await;
    shop.take("pick_list.created").await;
    // The check has read the row before.
    let late = seen.late(&"o:1".parse().unwrap(), PLACED_AT);
    assert!(shop.store.commit(&[late]).await.is_err());
}

/// The events that decide whether an order is finished, as the consumer and the history are told of them.
const EVENTS: [&str; 8] = [
    "order.placed",
    "payment.captured",
    "payment.voided",
    "payment.failed",
    "stock.rejected",
    "pick_list.created",
    "order.cancelled",
    "order.check",
];

proptest! {
    #[test]
    fn an_order_is_late_exactly_while_its_history_says_that_it_is_not_finished(
        order in Just(EVENTS.to_vec()).prop_shuffle(), held: bool, end in 0..=EVENTS.len()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let shop = Shop::new();
            let mut told = Vec::new();
            // The check is sent by what is placed.
            shop.take_body(&body("order.placed", "order.placed", held)).await;
            told.push(Event::in_body(&body("order.placed", "order.placed", held)).unwrap());
            let mut checked = false;
            for event_type in &order[..end] {
                shop.take_body(&body(event_type, event_type, held)).await;
                checked |= *event_type == "order.check";
                told.extend(Event::in_body(&body(event_type, event_type, held)).filter(|_| *event_type != "order.check"));
                let id = "o:1".parse().unwrap();
                let state = order_history::fold(id, told.clone(), None).unwrap().summary.state;
                let is_finished = state > State::Reserved;
                prop_assert_eq!(shop.is_late().await, checked && !is_finished, "{:?}", state);
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_late_order_is_a_metric() {
    let line: Value = serde_json::from_str(&telemetry::late(&"o:1".parse().unwrap(), 7)).unwrap();
    assert_eq!(line["late"], 1);
    assert_eq!(
        line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"],
        "late"
    );
    assert!(!line.to_string().contains('@'));
}
