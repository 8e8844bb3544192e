//! A message whose last delivery ended without a word may have killed the process: it runs last and alone, and is
//! found out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashpot::{
    CommitError, Consumer, Context, Effects, Envelope, Failure, Handler, Item, Key, Value,
};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use shop::{Incoming, Shipped, delivery, invocation};

/// The order, and what was deleted before it ran.
type Saw = (String, Vec<String>);

/// Records what was deleted when each order ran.
struct Witness<'a> {
    queue: &'a RecordingQueue,
    saw: Mutex<Vec<Saw>>,
}

impl Witness<'_> {
    /// The orders that ran, in order.
    fn ran(&self) -> Vec<String> {
        let saw = self.saw.lock().unwrap();
        saw.iter().map(|(order, _)| order.clone()).collect()
    }
}

impl Handler<Envelope<Incoming>> for &Witness<'_> {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, _: &Context) -> Result<Effects, Failure> {
        let Incoming::Bought(bought) = event.payload;
        let saw = (bought.order.clone(), self.queue.deleted());
        self.saw.lock().unwrap().push(saw);
        match bought.what.as_str() {
            "fail" => Err(Failure::retry("away")),
            // What a killed process leaves: no word.
            "kill" => std::future::pending().await,
            _ => Ok(Effects::none().emit(&Shipped {
                order: bought.order,
            })),
        }
    }
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

    fn witness(&self) -> Witness<'_> {
        Witness {
            queue: &self.queue,
            saw: Mutex::default(),
        }
    }

    fn note(&self, id: &str) -> Option<Item> {
        self.store.row(&Key::new(format!("suspect#{id}")))
    }

    /// Handles a batch, or is killed when a message kills.
    async fn handle(&self, witness: &Witness<'_>, deliveries: &[Delivery]) -> Option<Vec<String>> {
        let consumer = Consumer::<_, Envelope<Incoming>>::new("shipping", witness)
            .recovering(&self.queue)
            .atomic(Arc::clone(&self.store))
            .log_to(|_| {});
        let event = sqs_event("shipping", deliveries);
        let (invocation, life) = (invocation(), Duration::from_millis(200));
        let handling = consumer.handle_batch(&event, &invocation);
        let response = tokio::time::timeout(life, handling).await.ok()?.unwrap();
        let mut failures: Vec<String> = response
            .batch_item_failures
            .into_iter()
            .map(|failure| failure.item_identifier)
            .collect();
        failures.sort();
        Some(failures)
    }
}

#[tokio::test]
async fn what_failed_with_a_word_runs_with_the_others() {
    let shop = Shop::new();
    for attempt in 1..12 {
        let witness = shop.witness();
        let batch = [
            delivery("again", "fail").attempt(attempt),
            delivery(&format!("new-{attempt}"), "ok"),
        ];
        assert_eq!(shop.handle(&witness, &batch).await.unwrap(), ["again"]);
        assert_eq!(witness.ran()[0], "again", "it did not have to wait");
        let note = shop.note("again").unwrap();
        assert_eq!(note["spoke"], Value::from(attempt));
        assert_eq!(note.get("runs"), None);
    }
    assert!(shop.queue.deleted().is_empty(), "the answer deletes");
    assert!(shop.queue.parked().is_empty());
}

#[tokio::test]
async fn what_came_back_without_a_word_runs_last_after_what_is_settled_has_been_deleted() {
    let shop = Shop::new();
    let witness = shop.witness();
    let batch = [
        delivery("s1", "ok").attempt(2),
        delivery("a", "ok"),
        delivery("b", "fail"),
        delivery("s2", "ok").attempt(5),
    ];
    assert_eq!(shop.handle(&witness, &batch).await.unwrap(), ["b"]);
    let saw = witness.saw.into_inner().unwrap();
    let (first, deleted) = &saw[2];
    assert_eq!(deleted, &["receipt-a"]);
    let (second, deleted) = &saw[3];
    assert_eq!(
        deleted,
        &["receipt-a".to_owned(), format!("receipt-{first}")]
    );
    assert_ne!(first, second);
}

#[tokio::test(start_paused = true)]
async fn neighbours_of_a_killer_are_done_by_their_third_delivery_wherever_it_stands() {
    for place in 0..5 {
        let shop = Shop::new();
        for attempt in 1..=3 {
            let witness = shop.witness();
            let batch: Vec<Delivery> = (0..5)
                .map(|n| delivery(&n.to_string(), if n == place { "kill" } else { "ok" }))
                .map(|delivery| delivery.attempt(attempt))
                .collect();
            assert_eq!(shop.handle(&witness, &batch).await, None, "killed");
        }
        let said = shop.store.said().len();
        assert_eq!(said, 4, "every neighbour is done, once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_ends_the_process_three_times_alone_is_parked_as_a_killer() {
    let shop = Shop::new();
    for attempt in 1..=4 {
        let witness = shop.witness();
        let batch = [
            delivery(&format!("a{attempt}"), "ok"),
            delivery("k", "kill").attempt(attempt),
        ];
        assert_eq!(shop.handle(&witness, &batch).await, None, "killed");
    }
    let runs = shop.note("k").unwrap()["runs"].clone();
    assert_eq!(runs, Value::from(3_u32));

    let witness = shop.witness();
    shop.queue.fail(true);
    let killer = |attempt| [delivery("k", "kill").attempt(attempt)];
    let failed = shop.handle(&witness, &killer(5)).await;
    assert_eq!(failed.unwrap(), ["k"], "it could not be parked");
    shop.queue.fail(false);
    let failed = shop.handle(&witness, &killer(6)).await;
    assert_eq!(failed.unwrap(), Vec::<String>::new());
    assert!(witness.ran().is_empty(), "it did not run again");
    let parked = shop.queue.parked();
    assert_eq!(parked[0].note["reason"], "killer");
    assert_eq!(parked[0].note["messageId"], "k");
}

#[tokio::test(start_paused = true)]
async fn a_suspect_that_speaks_is_forgiven_whatever_it_says() {
    let shop = Shop::new();
    let witness = shop.witness();
    for attempt in 1..=3 {
        let killed = [delivery("s", "kill").attempt(attempt)];
        assert_eq!(shop.handle(&witness, &killed).await, None);
    }
    for attempt in 4..12 {
        let failed = [delivery("s", "fail").attempt(attempt)];
        assert_eq!(shop.handle(&witness, &failed).await.unwrap(), ["s"]);
    }
    assert!(shop.queue.parked().is_empty());
}

#[tokio::test]
async fn a_suspect_does_not_run_while_its_neighbours_could_not_be_deleted() {
    let shop = Shop::new();
    shop.queue.fail(true);
    let witness = shop.witness();
    let batch = [delivery("s", "ok").attempt(2), delivery("a", "ok")];
    assert_eq!(shop.handle(&witness, &batch).await.unwrap(), ["s"]);
    assert_eq!(witness.ran(), ["a"]);
}

#[tokio::test]
async fn a_suspect_that_cannot_be_noted_does_not_run_and_comes_back_with_backoff() {
    let shop = Shop::new();
    shop.store.fail_next(CommitError::Unknown("away".into()));
    let witness = shop.witness();
    let batch = [delivery("s", "ok").attempt(2)];
    assert_eq!(shop.handle(&witness, &batch).await.unwrap(), ["s"]);
    assert!(witness.ran().is_empty());
    assert_eq!(shop.queue.delayed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_get_its_turn_comes_back_with_backoff_and_is_no_suspect() {
    let shop = Shop::new();
    let witness = shop.witness();
    let consumer = Consumer::<_, Envelope<Incoming>>::new("shipping", &witness)
        .recovering(&shop.queue)
        .atomic(Arc::clone(&shop.store))
        .concurrency(1)
        .log_to(|_| {});
    let batch = [delivery("slow", "kill"), delivery("next", "ok")];
    let response = consumer
        .handle_batch(&sqs_event("shipping", &batch), &invocation())
        .await
        .unwrap();
    assert_eq!(response.batch_item_failures.len(), 2);
    assert_eq!(witness.ran(), ["slow"]);
    let delayed = shop.queue.delayed();
    let receipts: Vec<&str> = delayed
        .iter()
        .map(|(receipt, _)| receipt.as_str())
        .collect();
    assert_eq!(receipts, ["receipt-slow", "receipt-next"]);
    assert_eq!(shop.note("next").unwrap()["spoke"], Value::from(1_u32));
}
