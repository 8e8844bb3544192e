//! A chunk of messages is one transaction, and is taken apart only as far as it must be.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashpot::{
    BatchConsumer, BatchHandler, CommitError, Condition, Context, Effects, Envelope, Failure, Key,
    Recovery, Row, Store, Write,
};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use proptest::prelude::*;
use shop::{Incoming, Log, Shipped, bought, delivery, invocation};

/// Adds up what is bought, and does what the events say besides.
#[derive(Default)]
struct Sums {
    /// The sizes of the chunks that it was asked about.
    asked: Mutex<Vec<usize>>,
}

impl BatchHandler<Envelope<Incoming>> for &Sums {
    type Output = Effects;

    async fn handle(&self, events: &[Envelope<Incoming>], _: &Context) -> Result<Effects, Failure> {
        self.asked.lock().unwrap().push(events.len());
        let mut effects = Effects::none();
        for Envelope {
            payload: Incoming::Bought(bought),
            ..
        } in events
        {
            effects = effects.write(Write::update(Key::new("sum")).add("bought", 1));
            effects = match bought.what.as_str() {
                "fail" => return Err(Failure::retry("the other side is away")),
                "wait" => return Err(Failure::retry_after(Duration::from_secs(7), "busy")),
                "hopeless" => return Err(Failure::permanent("no such thing")),
                "panic" => panic!("a bug"),
                "hang" => std::future::pending().await,
                "many" => effects
                    .writes((0..100).map(|n| Write::put(Row::new(Key::new(format!("row#{n}")))))),
                "strict" => effects.write(Write::check(Key::new("open"), Condition::Present)),
                "own" => effects.write(Write::put(
                    Row::new(Key::new("own")).set("by", bought.order.as_str()),
                )),
                "say" => effects.emit(&Shipped {
                    order: bought.order.clone(),
                }),
                "stock" => effects
                    .write(
                        Write::update(Key::new("stock"))
                            .add("left", -1)
                            .when(Condition::AtLeast("left".into(), 1)),
                    )
                    .otherwise(|_| {
                        Ok(Effects::none().write(Write::put(Row::new(Key::new("short")))))
                    }),
                _ => effects,
            };
        }
        Ok(effects)
    }
}

#[derive(Default)]
struct Shop {
    sums: Sums,
    store: Arc<MemoryStore>,
    queue: RecordingQueue,
    log: Log,
}

impl Shop {
    fn consumer(
        &self,
    ) -> BatchConsumer<&Sums, Envelope<Incoming>, Arc<MemoryStore>, &RecordingQueue> {
        BatchConsumer::new("sums", &self.sums, Arc::clone(&self.store))
            .recovering(&self.queue)
            .log_to(self.log.sink())
    }

    /// Who comes back, sorted.
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<String> {
        let event = sqs_event("sums", deliveries);
        let response = self.consumer().handle_batch(&event, &invocation()).await;
        let failures = response.unwrap().batch_item_failures;
        let mut ids: Vec<String> = failures.into_iter().map(|it| it.item_identifier).collect();
        ids.sort();
        ids
    }

    fn sum(&self) -> i64 {
        let row = self.store.row(&Key::new("sum")).unwrap_or_default();
        row.get("bought")
            .and_then(dashpot::Value::as_i64)
            .unwrap_or_default()
    }

    fn parked(&self) -> Vec<(String, String)> {
        let note = |it: &dashpot_testing::Parked| it.note["reason"].as_str().unwrap().to_owned();
        let mut parked: Vec<_> = self
            .queue
            .parked()
            .iter()
            .map(|it| (it.message_id.clone(), note(it)))
            .collect();
        parked.sort();
        parked
    }

    fn asked(&self) -> Vec<usize> {
        std::mem::take(&mut self.sums.asked.lock().unwrap())
    }

    fn last(&self, name: &str) -> serde_json::Value {
        self.log.lines().last().unwrap()[name].clone()
    }
}

fn many(from: usize, to: usize) -> Vec<Delivery> {
    (from..to)
        .map(|n| delivery(&format!("o-{n:03}"), "ok"))
        .collect()
}

#[tokio::test]
async fn ninety_messages_cost_one_round_trip() {
    let shop = Shop::default();
    assert!(shop.handle(&many(0, 90)).await.is_empty());
    assert_eq!((shop.store.round_trips(), shop.sum()), (1, 90));
    assert_eq!(shop.store.rows("inbox#").len(), 90);
    assert_eq!(
        (
            shop.last("processed"),
            shop.last("handlerDuration").as_array().unwrap().len()
        ),
        (90.into(), 1)
    );
    assert!(shop.handle(&many(90, 1090)).await.is_empty());
    assert_eq!((shop.store.round_trips(), shop.sum()), (1 + 12, 1090));
}

#[tokio::test]
async fn duplicates_are_left_out_and_the_others_are_committed() {
    let shop = Shop::default();
    shop.handle(&many(0, 40)).await;
    let mut batch = many(30, 60);
    batch.push(Delivery::new("twin", bought("o-059", "ok")));
    assert!(shop.handle(&batch).await.is_empty());
    // With all of them, without those of before, and the twin by itself.
    assert_eq!(shop.asked(), [40, 30, 20, 1]);
    assert_eq!(shop.sum(), 60);
    assert_eq!(
        (shop.last("processed"), shop.last("duplicates")),
        (20.into(), 11.into())
    );
    assert_eq!(shop.store.round_trips(), 4);
    assert!(shop.handle(&many(0, 60)).await.is_empty());
    assert_eq!(
        (shop.store.round_trips(), shop.sum()),
        (5, 60),
        "nothing is left to commit"
    );
}

#[tokio::test]
async fn whoever_is_at_fault_stands_alone_in_the_end_and_the_others_are_done() {
    for (what, reason) in [
        ("hopeless", Some("permanent")),
        ("many", Some("permanent")),
        ("fail", None),
        ("panic", None),
        ("strict", None),
    ] {
        let shop = Shop::default();
        let mut batch = many(0, 89);
        batch.insert(37, delivery("bad", what));
        let back = shop.handle(&batch).await;
        assert_eq!(shop.sum(), 89, "{what}");
        if let Some(reason) = reason {
            assert_eq!(shop.parked(), [("bad".to_owned(), reason.to_owned())]);
            assert!(back.is_empty());
        } else {
            assert_eq!(back, ["bad"], "{what}");
            assert!(shop.parked().is_empty());
        }
        let tries = shop.asked().len();
        assert!(tries <= 15, "{what} took {tries} tries: two a level");
    }
}

#[tokio::test]
async fn only_who_stood_alone_is_parked_for_its_age() {
    let shop = Shop::default();
    let old = |it: Delivery| it.first_received_ago(7 * 3600);
    let mut batch: Vec<Delivery> = many(0, 20).into_iter().map(old).collect();
    batch.push(old(delivery("bad", "fail")));
    assert!(shop.handle(&batch).await.is_empty());
    assert_eq!(shop.parked(), [("bad".to_owned(), "expired".to_owned())]);
    assert_eq!(shop.sum(), 20);
}

#[tokio::test]
async fn when_the_other_side_is_away_it_is_not_asked_about_each_message() {
    let shop = Shop::default();
    let batch: Vec<Delivery> = (0..90)
        .map(|n| delivery(&format!("o-{n}"), "wait"))
        .collect();
    assert_eq!(shop.handle(&batch).await.len(), 90);
    let tries = shop.asked().len();
    assert!(tries <= 8, "{tries} tries");
    let delays: BTreeSet<Duration> = shop.queue.delayed().into_iter().map(|it| it.1).collect();
    assert_eq!(
        delays,
        BTreeSet::from([Duration::from_secs(7)]),
        "no sooner than it said"
    );
    // However old: none of them has had its own try.
    let old: Vec<Delivery> = batch
        .into_iter()
        .map(|it| it.first_received_ago(7 * 3600))
        .collect();
    assert_eq!(shop.handle(&old).await.len(), 90);
    assert!(shop.parked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_hangs_is_found_out_by_and_by() {
    let shop = Shop::default();
    let mut waiting: BTreeMap<String, u32> = (0..30).map(|n| (format!("o-{n}"), 1)).collect();
    for _ in 0..4 {
        let batch: Vec<Delivery> = waiting
            .iter()
            .map(|(id, attempt)| {
                let what = if id == "o-7" { "hang" } else { "ok" };
                delivery(id, what).attempt(*attempt)
            })
            .collect();
        let back = shop.handle(&batch).await;
        waiting = back
            .into_iter()
            .map(|id| (id.clone(), waiting[&id] + 1))
            .collect();
    }
    assert_eq!(waiting.keys().collect::<Vec<_>>(), ["o-7"]);
    assert_eq!(shop.sum(), 29);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_is_crowded_out_is_tried_again_and_then_comes_back_whole() {
    let shop = Shop::default();
    for error in [CommitError::Conflict, CommitError::Throttled] {
        shop.store.fail_next(error);
    }
    assert!(shop.handle(&many(0, 50)).await.is_empty());
    assert_eq!((shop.store.round_trips(), shop.sum()), (3, 50));
    for _ in 0..4 {
        shop.store.fail_next(CommitError::Throttled);
    }
    assert_eq!(shop.handle(&many(50, 60)).await.len(), 10);
    assert_eq!(shop.asked(), [50, 10], "nobody is taken apart");
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_done() {
    let shop = Shop::default();
    shop.store.lose_next_answer();
    assert!(shop.handle(&many(0, 50)).await.is_empty());
    assert_eq!((shop.sum(), shop.last("duplicates")), (50, 50.into()));
}

#[tokio::test]
async fn events_that_write_the_same_row_in_their_own_ways_are_taken_apart() {
    let shop = Shop::default();
    let batch: Vec<Delivery> = (0..4).map(|n| delivery(&format!("o-{n}"), "own")).collect();
    assert!(shop.handle(&batch).await.is_empty());
    assert_eq!(shop.sum(), 4);
    assert_eq!(shop.asked().iter().filter(|size| **size == 1).count(), 4);
}

#[tokio::test]
async fn a_refused_condition_is_decided_again_for_the_chunk() {
    let shop = Shop::default();
    let stock = Write::put(Row::new(Key::new("stock")).set("left", 1_i64));
    shop.store.commit(&[stock]).await.unwrap();
    assert!(
        shop.handle(&[delivery("a", "stock"), delivery("b", "ok")])
            .await
            .is_empty()
    );
    assert!(shop.store.row(&Key::new("short")).is_none());
    assert!(
        shop.handle(&[delivery("c", "stock"), delivery("d", "ok")])
            .await
            .is_empty()
    );
    assert!(shop.store.row(&Key::new("short")).is_some());
    assert_eq!(shop.store.rows("inbox#").len(), 4);
}

#[tokio::test]
async fn what_one_event_causes_names_it_and_what_many_cause_names_none() {
    let cause = |shop: &Shop| {
        let body = shop.store.rows("outbox#")[0]["body"]
            .as_str()
            .unwrap()
            .to_owned();
        let envelope: serde_json::Value = serde_json::from_str(&body).unwrap();
        let metadata = &envelope["metadata"];
        (
            metadata["causationId"].clone(),
            metadata["correlationId"].clone(),
        )
    };
    let shop = Shop::default();
    assert!(shop.handle(&[delivery("a", "say")]).await.is_empty());
    assert_eq!(cause(&shop), ("event-a".into(), "req-1".into()));
    let shop = Shop::default();
    assert!(
        shop.handle(&[delivery("a", "say"), delivery("b", "ok")])
            .await
            .is_empty()
    );
    assert_eq!(cause(&shop), (serde_json::Value::Null, "req-1".into()));
}

#[tokio::test]
async fn what_cannot_be_read_is_no_chunks_business() {
    let shop = Shop::default();
    let mut batch = many(0, 10);
    batch.push(Delivery::new("bad", "not json"));
    batch.push(Delivery::new(
        "new",
        r#"{"type":"thing.lent","payload":{},"metadata":{}}"#,
    ));
    assert_eq!(shop.handle(&batch).await, ["new"]);
    assert_eq!(shop.parked(), [("bad".to_owned(), "malformed".to_owned())]);
    assert_eq!((shop.asked(), shop.sum()), (vec![10], 10));
}

#[tokio::test]
async fn a_suspect_runs_alone_after_the_others_are_deleted() {
    let shop = Shop::default();
    let mut batch = many(0, 5);
    batch.insert(0, delivery("suspect", "ok").attempt(2));
    assert!(shop.handle(&batch).await.is_empty());
    assert_eq!(shop.asked(), [5, 1]);
    assert_eq!(shop.queue.deleted().len(), 5);
    assert_eq!(shop.sum(), 6);
}

#[derive(Debug, Clone)]
enum Mishap {
    Fails(CommitError),
    LosesItsAnswer,
}

fn any_mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        Just(Mishap::LosesItsAnswer),
        Just(Mishap::Fails(CommitError::Conflict)),
        Just(Mishap::Fails(CommitError::Throttled)),
        Just(Mishap::Fails(CommitError::Unknown(
            "connection reset".into()
        ))),
    ]
}

/// A message: which of a few events it is of, so that there are duplicates, and what that one does.
fn any_messages() -> impl Strategy<Value = Vec<(usize, &'static str)>> {
    let kinds = [
        "ok", "ok", "ok", "ok", "ok", "hopeless", "panic", "fail", "many", "own",
    ];
    let events = prop::collection::vec(prop::sample::select(kinds.to_vec()), 1..60);
    events.prop_flat_map(|events| {
        let event = (0..events.len()).prop_map(move |n| (n, events[n]));
        prop::collection::vec(event, 1..120)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_in_a_batch_and_whatever_fails_sums_are_exact_and_nobody_is_without_a_verdict(
        messages in any_messages(),
        mishaps in prop::collection::vec((0..8_usize, any_mishap()), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let shop = Shop::default();
            let mut waiting: BTreeMap<String, (usize, &str, u32)> = messages
                .iter().enumerate().map(|(n, (event, what))| (format!("m-{n}"), (*event, *what, 1))).collect();
            for round in 0..12 {
                for (_, mishap) in mishaps.iter().filter(|(at, _)| *at == round) {
                    match mishap {
                        Mishap::Fails(error) => shop.store.fail_next(error.clone()),
                        Mishap::LosesItsAnswer => shop.store.lose_next_answer(),
                    }
                }
                let batch: Vec<Delivery> = waiting.iter().map(|(id, (event, what, attempt))| {
                    Delivery::new(id.clone(), bought(&format!("{event}"), what)).attempt(*attempt)
                }).collect();
                let back = shop.handle(&batch).await;
                for id in &back {
                    assert!(waiting.contains_key(id) && !shop.parked().iter().any(|it| it.0 == *id));
                }
                waiting = waiting.into_iter()
                    .filter(|(id, _)| back.contains(id))
                    .map(|(id, (event, what, attempt))| (id, (event, what, attempt + 1)))
                    .collect();
            }
            // What only fails still comes back; everything else has been settled, and rightly.
            assert!(waiting.values().all(|(_, what, _)| *what == "fail"), "{waiting:?}");
            let good = |what: &str| ["ok", "own"].contains(&what);
            let events: BTreeSet<usize> = messages.iter().filter(|it| good(it.1)).map(|it| it.0).collect();
            assert_eq!(usize::try_from(shop.sum()).unwrap(), events.len());
            let parked: BTreeMap<String, String> = shop.parked().into_iter().collect();
            for (n, (_, what)) in messages.iter().enumerate() {
                let reason = parked.get(&format!("m-{n}")).map(String::as_str);
                match *what {
                    "ok" | "own" => assert_eq!(reason, None),
                    // Where the store could not even take a note that it spoke.
                    "fail" => assert!(reason.is_none_or(|reason| reason == "killer"), "{reason:?}"),
                    _ => assert!(reason.is_some(), "{what} is not parked"),
                }
            }
        });
    }
}

#[tokio::test]
async fn a_policy_without_patience_parks_nobody_for_a_neighbour() {
    let shop = Shop::default();
    let consumer = shop.consumer().recovery(Recovery {
        park_after: Duration::ZERO,
        ..Recovery::default()
    });
    let batch: Vec<Delivery> = (0..90)
        .map(|n| delivery(&format!("o-{n}"), "fail"))
        .collect();
    let event = sqs_event("sums", &batch);
    let response = consumer.handle_batch(&event, &invocation()).await.unwrap();
    let back = response.batch_item_failures.len();
    assert_eq!(
        (back + shop.parked().len(), shop.parked().is_empty()),
        (90, true)
    );
}
