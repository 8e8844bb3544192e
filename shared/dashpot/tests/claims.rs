//! Claim, act, complete: an effect outside is never silently repeated.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashpot::{
    Claim, Claims, Condition, Consumer, Context, Effects, Envelope, Failure, Handler, Invocation,
    Item, Key, OnUnknown, Row, Value, Write,
};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use shop::{Incoming, Shipped, delivery};
use tokio::time::Instant;

/// A courier outside: records each call, and whether it was told that one may have happened before.
#[derive(Debug, Default)]
struct Courier {
    calls: Mutex<Vec<(String, bool, i64)>>,
}

impl Handler<Envelope<Incoming>> for &Courier {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, cx: &Context) -> Result<Effects, Failure> {
        let Incoming::Bought(bought) = event.payload;
        let version = cx.claimed().unwrap().version;
        self.calls
            .lock()
            .unwrap()
            .push((bought.order.clone(), cx.may_have_happened(), version));
        match bought.what.as_str() {
            "fail" => Err(Failure::retry("no answer")),
            "note" => Ok(Effects::none()
                .settle("sent")
                .write(Write::check(Key::new("notebook"), Condition::Present))
                .otherwise(|_| Ok(Effects::none()))),
            _ => Ok(Effects::none().settle("sent").emit(&Shipped {
                order: bought.order,
            })),
        }
    }
}

impl Claims<Envelope<Incoming>> for &Courier {
    fn claim(&self, event: &Envelope<Incoming>, _: &Context) -> Result<Option<Claim>, Failure> {
        let Incoming::Bought(bought) = &event.payload;
        Ok(Some(
            Claim::new(parcel(&bought.order), "sending")
                .from(&["packed"])
                .unless(Key::new("closed")),
        ))
    }

    fn refused(&self, _: Envelope<Incoming>, row: &Item, _: &Context) -> Result<Effects, Failure> {
        assert_eq!(row.get("state"), Some(&Value::from("sent")));
        Ok(Effects::none())
    }
}

fn parcel(order: &str) -> Key {
    Key::new(format!("parcel#{order}"))
}

struct Shop {
    store: Arc<MemoryStore>,
    queue: RecordingQueue,
    courier: Courier,
    on_unknown: OnUnknown,
}

impl Shop {
    fn new() -> Self {
        Self {
            store: Arc::default(),
            queue: RecordingQueue::new(),
            courier: Courier::default(),
            on_unknown: OnUnknown::Handle,
        }
    }

    /// Handles a batch in an invocation that may last so long.
    async fn handle(&self, time: Duration, deliveries: &[Delivery]) -> Vec<String> {
        let consumer = Consumer::<_, Envelope<Incoming>>::new("courier", &self.courier)
            .recovering(&self.queue)
            .claiming(Arc::clone(&self.store), self.on_unknown)
            .margin(Duration::ZERO)
            .log_to(|_| {});
        let invocation = Invocation {
            deadline: Instant::now() + time,
            ..Invocation::default()
        };
        let event = sqs_event("courier", deliveries);
        let response = consumer.handle_batch(&event, &invocation).await.unwrap();
        response
            .batch_item_failures
            .into_iter()
            .map(|failure| failure.item_identifier)
            .collect()
    }

    async fn put(&self, row: Row) {
        use dashpot::Store;
        self.store.commit(&[Write::put(row)]).await.unwrap();
    }

    fn calls(&self) -> Vec<(String, bool, i64)> {
        self.courier.calls.lock().unwrap().clone()
    }

    fn state(&self, order: &str) -> String {
        let row = self.store.row(&parcel(order)).unwrap();
        row["state"].as_str().unwrap().to_owned()
    }
}

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_claim_costs_one_round_trip_and_its_completion_another() {
    let shop = Shop::new();
    assert!(shop.handle(MINUTE, &[delivery("a", "ok")]).await.is_empty());
    assert_eq!(shop.store.round_trips(), 2);
    assert_eq!(shop.state("a"), "sent");
    let row = shop.store.row(&parcel("a")).unwrap();
    assert!(!row.contains_key("owner") && !row.contains_key("leaseUntil"));
    assert!(
        shop.store.rows("inbox#").is_empty(),
        "the claimed row is the guard"
    );
    assert_eq!(shop.store.said(), ["thing.shipped"]);
}

#[tokio::test]
async fn what_was_completed_is_not_done_again() {
    let shop = Shop::new();
    for _ in 0..2 {
        assert!(shop.handle(MINUTE, &[delivery("a", "ok")]).await.is_empty());
    }
    assert_eq!(shop.calls().len(), 1);
}

#[tokio::test]
async fn a_failure_does_not_release_the_claim_and_the_next_try_waits_for_its_lease() {
    let shop = Shop::new();
    assert_eq!(shop.handle(MINUTE, &[delivery("a", "fail")]).await, ["a"]);
    assert_eq!(shop.state("a"), "sending");
    assert_eq!(
        shop.handle(MINUTE, &[delivery("a", "ok").attempt(2)]).await,
        ["a"]
    );
    assert_eq!(shop.calls().len(), 1, "the second try did not act");
    let (_, delay) = shop.queue.delayed().pop().unwrap();
    assert!(
        delay > Duration::from_secs(50),
        "it waits for the lease: {delay:?}"
    );
}

#[tokio::test]
async fn an_expired_claim_without_an_outcome_may_have_happened() {
    let shop = Shop::new();
    shop.put(lapsed("a")).await;
    assert!(shop.handle(MINUTE, &[delivery("a", "ok")]).await.is_empty());
    assert_eq!(shop.calls(), [("a".into(), true, 4)]);
    assert_eq!(shop.state("a"), "sent");
}

#[tokio::test]
async fn an_unknown_outcome_is_parked_where_nobody_can_be_asked() {
    let mut shop = Shop::new();
    shop.on_unknown = OnUnknown::Park;
    shop.put(lapsed("a")).await;
    assert!(shop.handle(MINUTE, &[delivery("a", "ok")]).await.is_empty());
    assert!(shop.calls().is_empty());
    assert_eq!(shop.queue.parked()[0].note["reason"], "unknown_outcome");
}

#[tokio::test]
async fn a_row_in_a_state_to_start_from_is_claimed_without_a_doubt() {
    let shop = Shop::new();
    shop.put(
        Row::new(parcel("a"))
            .set("state", "packed")
            .set("version", 7_i64),
    )
    .await;
    assert!(shop.handle(MINUTE, &[delivery("a", "ok")]).await.is_empty());
    assert_eq!(shop.calls(), [("a".into(), false, 8)]);
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_done_without_acting() {
    let shop = Shop::new();
    shop.put(Row::new(Key::new("closed"))).await;
    assert!(shop.handle(MINUTE, &[delivery("a", "ok")]).await.is_empty());
    assert!(shop.calls().is_empty());
    assert_eq!(shop.store.row(&parcel("a")), None);
}

#[tokio::test]
async fn two_deliveries_at_once_act_once() {
    let shop = Shop::new();
    let twin = Delivery::new("twin", shop::bought("a", "ok"));
    let failed = shop.handle(MINUTE, &[delivery("a", "ok"), twin]).await;
    assert!(failed.len() <= 1);
    assert_eq!(shop.calls().len(), 1);
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_found_completed() {
    let shop = Shop::new();
    shop.store.fail_next(dashpot::CommitError::Conflict);
    shop.store.lose_next_answer();
    // The claim was taken and its answer lost: the message comes back, and the lease decides.
    assert_eq!(
        shop.handle(Duration::from_millis(200), &[delivery("a", "ok")])
            .await,
        ["a"]
    );
    assert!(shop.calls().is_empty());
    tokio::time::sleep(Duration::from_millis(210)).await;
    assert!(
        shop.handle(MINUTE, &[delivery("a", "ok").attempt(2)])
            .await
            .is_empty()
    );
    assert_eq!(shop.calls(), [("a".into(), true, 2)]);
}

#[tokio::test]
async fn a_lease_of_no_time_at_all_is_a_lease() {
    let shop = Shop::new();
    for time in [Duration::ZERO, Duration::from_millis(1)] {
        let failed = shop.handle(time, &[delivery("a", "ok")]).await;
        assert!(failed.len() <= 1);
    }
    assert!(shop.handle(MINUTE, &[delivery("a", "ok")]).await.is_empty());
    assert_eq!(shop.state("a"), "sent");
}

#[tokio::test]
async fn an_owner_that_lost_its_claim_cannot_complete() {
    /// Somebody else takes the claim over while we act.
    struct Robbed<'a>(&'a Shop);
    impl Handler<Envelope<Incoming>> for Robbed<'_> {
        type Output = Effects;
        async fn handle(&self, _: Envelope<Incoming>, _: &Context) -> Result<Effects, Failure> {
            self.0.put(lapsed("a").set("owner", "somebody else")).await;
            Ok(Effects::none()
                .settle("sent")
                .emit(&Shipped { order: "a".into() }))
        }
    }
    impl Claims<Envelope<Incoming>> for Robbed<'_> {
        fn claim(&self, _: &Envelope<Incoming>, _: &Context) -> Result<Option<Claim>, Failure> {
            Ok(Some(Claim::new(parcel("a"), "sending")))
        }
        fn refused(
            &self,
            _: Envelope<Incoming>,
            _: &Item,
            _: &Context,
        ) -> Result<Effects, Failure> {
            Ok(Effects::none())
        }
    }
    let shop = Shop::new();
    let consumer = Consumer::<_, Envelope<Incoming>>::new("courier", Robbed(&shop))
        .claiming(Arc::clone(&shop.store), OnUnknown::Handle)
        .log_to(|_| {});
    let event = sqs_event("courier", &[delivery("a", "ok")]);
    let response = consumer
        .handle_batch(&event, &Invocation::default())
        .await
        .unwrap();
    assert_eq!(response.batch_item_failures.len(), 1);
    assert!(shop.store.said().is_empty());
    assert_eq!(shop.state("a"), "sending");
}

fn lapsed(order: &str) -> Row {
    Row::new(parcel(order))
        .set("state", "sending")
        .set("owner", "a process that died")
        .set("leaseUntil", dashpot::now() - 1)
        .set("version", 3_i64)
}

#[tokio::test]
async fn a_claim_is_settled_also_when_the_second_decision_is_to_do_nothing() {
    let shop = Shop::new();
    let note = [delivery("a", "note")];
    assert!(shop.handle(MINUTE, &note).await.is_empty());
    assert_eq!(shop.state("a"), "done");
    let row = shop.store.row(&parcel("a")).unwrap();
    assert!(!row.contains_key("owner"));
}
