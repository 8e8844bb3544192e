//! Effects, proof and events are one transaction, and happen once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use dashpot::{
    Atomic, BatchResponse, CommitError, Condition, Consumer, Context, Effects, Envelope, Failure,
    Handler, Key, Row, Store, Value, Write,
};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use serde_json::json;
use shop::{Incoming, Log, Shipped, delivery, invocation, shipment};
use std::sync::Arc;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Ships: with a marker (`marker`), under a natural key (`key`), or with stock (`stock`).
struct Shipping;

impl Handler<Envelope<Incoming>> for Shipping {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, _: &Context) -> Result<Effects, Failure> {
        let Incoming::Bought(bought) = event.payload;
        let order = bought.order;
        let count = Write::update(Key::new("count")).add("shipped", 1);
        let shipped = Shipped {
            order: order.clone(),
        };
        Ok(match bought.what.as_str() {
            "nothing" => Effects::none(),
            "marker" => Effects::none().write(count).emit(&shipped),
            "key" => Effects::none()
                .once(shipment(&order))
                .write(count)
                .emit(&shipped),
            "strict" => Effects::none()
                .write(Write::check(Key::new("open"), Condition::Present))
                .emit(&shipped),
            "command" => Effects::none().write(count).command("labels", &shipped),
            "huge" => Effects::none().emit(&Shipped {
                order: "x".repeat(200 * 1024),
            }),
            "many" => Effects::none()
                .writes((0..101).map(|n| Write::put(Row::new(Key::new(format!("row#{n}")))))),
            _ => Effects::none()
                .once(shipment(&order))
                .write(
                    Write::update(Key::new("stock"))
                        .add("available", -1)
                        .when(Condition::AtLeast("available".into(), 1)),
                )
                .otherwise(move |refused| {
                    if refused.row(&shipment(&order).key).is_some() {
                        return Ok(Effects::none());
                    }
                    assert_eq!(refused.keys().next(), Some(&Key::new("stock")));
                    Ok(Effects::none().once(shipment(&order).set("state", "rejected")))
                }),
        })
    }
}

struct Shop {
    store: Arc<MemoryStore>,
    queue: RecordingQueue,
    log: Log,
}

impl Shop {
    fn new() -> Self {
        Self {
            store: Arc::default(),
            queue: RecordingQueue::new(),
            log: Log::default(),
        }
    }

    fn consumer(
        &self,
    ) -> Consumer<Shipping, Envelope<Incoming>, &RecordingQueue, Atomic<Arc<MemoryStore>>> {
        Consumer::<_, Envelope<Incoming>>::new("shipping", Shipping)
            .recovering(&self.queue)
            .atomic(Arc::clone(&self.store))
            .log_to(self.log.sink())
    }

    async fn handle(&self, deliveries: &[Delivery]) -> BatchResponse {
        let event = sqs_event("shipping", deliveries);
        self.consumer()
            .handle_batch(&event, &invocation())
            .await
            .unwrap()
    }

    async fn done(&self, deliveries: &[Delivery]) -> bool {
        self.handle(deliveries).await.batch_item_failures.is_empty()
    }

    fn number(&self, key: &str, name: &str) -> Option<i64> {
        self.store.row(&Key::new(key))?.get(name)?.as_i64()
    }

    fn last(&self, name: &str) -> serde_json::Value {
        self.log.lines().last().unwrap()[name].clone()
    }
}

#[tokio::test]
async fn a_message_costs_one_round_trip_and_one_without_effects_none() {
    let shop = Shop::new();
    assert!(shop.done(&[delivery("a", "marker")]).await);
    assert_eq!(shop.store.round_trips(), 1);
    assert!(shop.done(&[delivery("b", "nothing")]).await);
    assert_eq!(shop.store.round_trips(), 1);
    assert_eq!(shop.store.said(), ["thing.shipped"]);
}

#[tokio::test]
async fn a_duplicate_is_acknowledged_without_effect_under_marker_and_natural_key() {
    for what in ["marker", "key"] {
        let shop = Shop::new();
        assert!(shop.done(&[delivery("a", what)]).await);
        assert!(
            shop.done(&[delivery("a", what)]).await,
            "the duplicate is acknowledged"
        );
        assert_eq!(shop.last("duplicates"), 1);
        assert_eq!(shop.number("count", "shipped"), Some(1), "{what}");
        assert_eq!(shop.store.said().len(), 1);
        assert_eq!(
            shop.store.rows("inbox#").len(),
            usize::from(what == "marker")
        );
    }
}

#[tokio::test]
async fn a_command_is_an_outbox_row_that_says_where_it_goes() {
    let shop = Shop::new();
    assert!(
        shop.done(&[delivery("a", "command"), delivery("b", "marker")])
            .await
    );
    assert!(shop.done(&[delivery("a", "command")]).await);
    let rows = shop.store.rows("outbox#");
    assert_eq!(rows.len(), 2, "the duplicate sends nothing");
    let text =
        |row: &dashpot::Item, name: &str| row.get(name).map(|it| it.as_str().unwrap().to_owned());
    let to_labels: Vec<_> = rows
        .iter()
        .filter(|row| text(row, "to").as_deref() == Some("labels"))
        .collect();
    let [row] = to_labels.as_slice() else {
        panic!("one command, and the event is for everybody: {rows:?}");
    };
    let body: serde_json::Value = serde_json::from_str(&text(row, "body").unwrap()).unwrap();
    assert_eq!(body["type"], "thing.shipped");
    assert_eq!(body["metadata"]["causationId"], "event-a");
    assert_eq!(
        body["metadata"]["id"].as_str().map(str::to_owned),
        text(row, "sk")
    );
}

#[tokio::test]
async fn duplicates_inside_one_batch_take_effect_once() {
    let shop = Shop::new();
    let twin = Delivery::new("twin", shop::bought("a", "marker"));
    assert!(shop.done(&[delivery("a", "marker"), twin]).await);
    assert_eq!(shop.number("count", "shipped"), Some(1));
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_comes_back_and_is_found_done() {
    let shop = Shop::new();
    shop.store.lose_next_answer();
    assert!(
        !shop.done(&[delivery("a", "key")]).await,
        "nobody knows yet: it comes back"
    );
    assert!(shop.done(&[delivery("a", "key").attempt(2)]).await);
    assert_eq!(shop.number("count", "shipped"), Some(1));
    assert_eq!(shop.store.said().len(), 1);
}

#[tokio::test]
async fn conflicts_and_throttles_are_tried_again_at_once() {
    let shop = Shop::new();
    shop.store.fail_next(CommitError::Conflict);
    shop.store.fail_next(CommitError::Throttled);
    assert!(shop.done(&[delivery("a", "marker")]).await);
    assert_eq!(shop.store.round_trips(), 3);
    for _ in 0..4 {
        shop.store.fail_next(CommitError::Throttled);
    }
    assert!(
        !shop.done(&[delivery("b", "marker")]).await,
        "and then the message comes back"
    );
}

#[tokio::test]
async fn a_store_that_is_away_loses_nothing() {
    let shop = Shop::new();
    shop.store
        .fail_next(CommitError::Unknown("connection refused".into()));
    assert!(!shop.done(&[delivery("a", "marker")]).await);
    assert!(shop.queue.parked().is_empty());
    assert!(shop.done(&[delivery("a", "marker").attempt(2)]).await);
    assert_eq!(shop.number("count", "shipped"), Some(1));
}

#[tokio::test]
async fn a_refused_condition_is_decided_again_with_the_rows_in_hand() {
    let shop = Shop::new();
    assert!(shop.done(&[delivery("a", "stock")]).await);
    let row = shop.store.row(&shipment("a").key).unwrap();
    assert_eq!(row.get("state"), Some(&Value::from("rejected")));
    assert_eq!(row.get("cause"), Some(&Value::from("event-a")));
    assert_eq!(shop.store.round_trips(), 2);
    // A duplicate of it is found by the natural key, whose refusal is looked at before the stock's.
    assert!(shop.done(&[delivery("a", "stock")]).await);
    assert_eq!(shop.last("duplicates"), 1);
    assert_eq!(shop.store.round_trips(), 3);
}

#[tokio::test]
async fn a_refused_condition_without_another_decision_comes_back() {
    let shop = Shop::new();
    assert!(!shop.done(&[delivery("a", "strict")]).await);
    assert!(shop.store.said().is_empty() && shop.store.rows("inbox#").is_empty());
}

#[tokio::test]
async fn an_event_too_many_in_a_chain_and_one_that_is_too_large_are_parked() {
    let shop = Shop::new();
    let hops = |hops: u32| {
        shop::bought("a", "marker")
            .replace("\"version\":1", &format!("\"version\":1,\"hops\":{hops}"))
    };
    assert!(shop.done(&[Delivery::new("far", hops(16))]).await);
    assert!(
        shop.done(&[delivery("b", "huge"), delivery("c", "many")])
            .await
    );
    let parked = shop.queue.parked();
    let detail = |n: usize| parked[n].note["detail"].as_str().unwrap().to_owned();
    assert_eq!(parked.len(), 3);
    assert!(
        detail(0).contains("17th event of one chain"),
        "{}",
        detail(0)
    );
    assert!(detail(1).contains("204800"), "{}", detail(1));
    assert!(
        parked
            .iter()
            .all(|parked| parked.note["reason"] == "permanent")
    );
    assert_eq!(shop.store.rows(""), [], "nothing of them was written");
    assert!(shop.done(&[Delivery::new("near", hops(15))]).await);
    let body = shop.store.rows("outbox#")[0]["body"]
        .as_str()
        .unwrap()
        .to_owned();
    let envelope: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(envelope["metadata"]["hops"], 16);
    assert_eq!(envelope["metadata"]["causationId"], "event-a");
    assert_eq!(envelope["metadata"]["correlationId"], "req-1");
    assert_eq!(envelope["metadata"]["source"], "shipping");
    assert_eq!(envelope["metadata"]["subject"], "a");
}

#[tokio::test]
async fn an_outbox_row_says_all_that_the_relay_needs() {
    let shop = Shop::new();
    let traced = delivery("a", "marker").attribute("traceparent", TRACE);
    assert!(shop.done(&[traced]).await);
    let row = &shop.store.rows("outbox#")[0];
    for (name, value) in [
        ("type", "thing.shipped"),
        ("correlationId", "req-1"),
        ("group", "a"),
        ("traceparent", TRACE),
    ] {
        assert_eq!(row.get(name).and_then(Value::as_str), Some(value), "{name}");
    }
    assert_eq!(row.get("version"), Some(&Value::N(1)));
    let days = (row["expiresAt"].as_i64().unwrap() - i64::try_from(dashpot::now() / 1000).unwrap())
        / 86_400;
    assert!((34..=35).contains(&days), "{days}");
}

#[tokio::test]
async fn a_natural_key_that_another_event_holds_is_a_refusal_and_no_duplicate() {
    let shop = Shop::new();
    let taken = shipment("a").set("cause", "another event");
    shop.store.commit(&[Write::put(taken)]).await.unwrap();
    assert!(
        !shop.done(&[delivery("a", "key")]).await,
        "nobody has decided what that means, so the message stays"
    );
    assert!(shop.done(&[delivery("a", "stock")]).await);
    assert_eq!(
        (shop.last("processed"), shop.last("duplicates")),
        (1.into(), 0.into())
    );
}

/// One message that no topic takes would hold up the relay, and everybody's events behind it.
#[tokio::test]
async fn what_is_said_can_be_sent_whatever_characters_it_came_with() {
    let shop = Shop::new();
    let hostile = "a\u{fffe}\u{1}\u{ffff}b";
    let body = json!({
        "type": "thing.bought", "payload": { "order": hostile, "what": "marker" },
        "metadata": { "id": "e", "version": 1 },
    });
    assert!(shop.done(&[Delivery::new("m", body.to_string())]).await);
    let said = shop.store.rows("outbox#");
    let body = said[0]["body"].as_str().unwrap();
    assert!(dashpot::is_sendable(body), "{body:?}");
    let envelope: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(envelope["payload"]["order"], hostile);
}

#[tokio::test]
async fn what_only_looks_like_a_trace_goes_no_further() {
    let shop = Shop::new();
    let hostile = "x".repeat(300_000);
    let traced = delivery("a", "marker").attribute("traceparent", &hostile);
    assert!(shop.done(&[traced]).await);
    assert!(!shop.store.rows("outbox#")[0].contains_key("traceparent"));
}
