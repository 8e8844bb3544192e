#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use dashpot::{Consumer, Invocation, Key, Store};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use serde_json::{Value, json};

use super::*;

fn body(event_type: &str, payload: &Value) -> String {
    json!({
        "type": event_type,
        "payload": payload,
        "metadata": { "id": event_type, "timestamp": 1, "correlationId": "req_1", "version": 1 },
    })
    .to_string()
}

fn reserved() -> String {
    body(
        "stock.reserved",
        &json!({
            "orderId": "1", "userId": "u", "customer": { "email": "ada@example.com" },
            "total": { "amount": 998, "currency": "EUR" }, "items": [{ "sku": "a", "quantity": 2 }],
            "paymentIntentId": "pi_1",
        }),
    )
}

fn failed() -> String {
    body(
        "payment.failed",
        &json!({
            "orderId": "1", "userId": "u", "amount": { "amount": 998, "currency": "EUR" },
            "paymentIntentId": "pi_1", "reason": "card_declined",
        }),
    )
}

fn cancellation() -> String {
    body(
        "order.cancellation_requested",
        &json!({
            "orderId": "1", "userId": "u", "customer": { "email": "ada@example.com" },
            "total": { "amount": 998, "currency": "EUR" }, "paymentIntentId": "pi_1",
        }),
    )
}

struct Shop {
    store: Arc<MemoryStore>,
    queue: RecordingQueue,
}

impl Shop {
    fn new() -> Self {
        Self {
            store: Arc::default(),
            queue: RecordingQueue::new(),
        }
    }

    /// Hands one message over; whether it is settled.
    async fn take(&self, body: &str) -> bool {
        let response = Consumer::<_, Envelope<Incoming>>::new("warehouse", Warehouse)
            .recovering(&self.queue)
            .atomic(Arc::clone(&self.store))
            .log_to(|_| {})
            .handle_batch(
                &sqs_event("warehouse", &[Delivery::new("m", body)]),
                &Invocation::default(),
            )
            .await
            .unwrap();
        assert!(self.queue.parked().is_empty());
        response.batch_item_failures.is_empty()
    }

    async fn settle(&self, body: &str) {
        assert!(self.take(body).await);
    }

    /// What a person does: packs a list that is open.
    async fn pack(&self) {
        let pack = pick_list::pack(&"1".parse().unwrap());
        self.store.commit(&[pack]).await.unwrap();
    }

    fn row(&self) -> Item {
        self.store.row(&Key::new("pick_list#1")).unwrap()
    }

    fn state(&self) -> State {
        State::of(&self.row()).unwrap()
    }

    fn said(&self, event_type: &str) -> usize {
        let said = self.store.said();
        said.iter().filter(|said| *said == event_type).count()
    }
}

/// Every order in which the messages can arrive, with those that are equal not told apart.
fn arrivals(messages: &[usize]) -> Vec<Vec<usize>> {
    if messages.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in messages.iter().enumerate() {
        if messages[..at].contains(first) {
            continue;
        }
        let mut rest = messages.to_vec();
        rest.remove(at);
        for mut tail in arrivals(&rest) {
            tail.insert(0, *first);
            all.push(tail);
        }
    }
    all
}

#[tokio::test]
async fn reserved_stock_becomes_a_pick_list_in_one_round_trip() {
    let shop = Shop::new();
    shop.settle(&reserved()).await;
    assert_eq!(shop.store.round_trips(), 1);
    assert_eq!(shop.state(), State::Open);
    assert_eq!(shop.store.said(), ["pick_list.created"]);
}

#[tokio::test]
async fn the_list_keeps_what_packing_has_to_say() {
    let shop = Shop::new();
    shop.settle(&reserved()).await;
    let row = shop.row();
    let list: shop_events::PickListPacked =
        serde_json::from_str(row["list"].as_str().unwrap()).unwrap();
    assert_eq!(list.items.len(), 1);
    assert_eq!(list.customer.unwrap().email.expose(), "ada@example.com");
    assert_eq!(row["correlationId"].as_str(), Some("req_1"));
}

#[tokio::test]
async fn an_open_list_is_withdrawn_when_the_payment_fails() {
    let shop = Shop::new();
    shop.settle(&reserved()).await;
    shop.settle(&failed()).await;
    assert_eq!(shop.state(), State::Withdrawn);
    assert_eq!(shop.store.said(), ["pick_list.created"]);
}

#[tokio::test]
async fn an_open_list_is_withdrawn_when_the_customer_cancels() {
    let shop = Shop::new();
    shop.settle(&reserved()).await;
    shop.settle(&cancellation()).await;
    assert_eq!(shop.state(), State::Withdrawn);
    assert_eq!(shop.store.said(), ["pick_list.created", "order.cancelled"]);
    let said = shop.store.rows("outbox#");
    let said = said
        .iter()
        .find(|row| row["type"].as_str() == Some("order.cancelled"));
    let said: Value = serde_json::from_str(said.unwrap()["body"].as_str().unwrap()).unwrap();
    assert_eq!(said["payload"]["paymentIntentId"], "pi_1");
    assert_eq!(said["payload"]["total"]["amount"], 998);
}

#[tokio::test]
async fn what_is_packed_is_neither_cancelled_nor_withdrawn() {
    let shop = Shop::new();
    shop.settle(&reserved()).await;
    shop.pack().await;
    for _ in 0..2 {
        shop.settle(&cancellation()).await;
        shop.settle(&failed()).await;
    }
    assert_eq!(shop.state(), State::Packed);
    assert_eq!(shop.said("order.cancellation_refused"), 1);
    assert_eq!(shop.said("order.cancelled"), 0);
}

#[tokio::test]
async fn the_first_decision_wins_in_every_order_of_arrival() {
    let events = [reserved(), failed(), cancellation()];
    let arrivals = arrivals(&[0, 0, 1, 1, 2, 2]);
    assert_eq!(arrivals.len(), 90);
    for arrival in arrivals {
        let shop = Shop::new();
        for n in &arrival {
            shop.settle(&events[*n]).await;
        }
        let first = |event| arrival.iter().position(|n| *n == event);
        assert_eq!(shop.state(), State::Withdrawn, "{arrival:?}");
        assert_eq!(
            shop.said("pick_list.created"),
            usize::from(arrival[0] == 0),
            "{arrival:?}"
        );
        assert_eq!(
            shop.said("order.cancelled"),
            usize::from(first(2) < first(1)),
            "{arrival:?}"
        );
    }
}

#[tokio::test]
async fn an_effect_whose_answer_was_lost_happens_once() {
    for (event, says) in [
        (reserved(), "pick_list.created"),
        (cancellation(), "order.cancelled"),
    ] {
        let shop = Shop::new();
        shop.store.lose_next_answer();
        assert!(!shop.take(&event).await);
        shop.settle(&event).await;
        assert_eq!(shop.store.said(), [says]);
    }
}

#[tokio::test]
async fn the_decision_is_a_value() {
    let envelope: Value = serde_json::from_str(&cancellation()).unwrap();
    let request = serde_json::from_value(envelope["payload"].clone()).unwrap();
    let effects = cancel(request);
    assert_eq!(effects.emitted(), ["order.cancelled"]);
    assert_eq!(
        effects.once_row().unwrap().key,
        Key::new("pick_list#1"),
        "the list itself is the proof"
    );
}
