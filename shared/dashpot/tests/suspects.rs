//! A message that may have killed the process runs last and alone, and is found out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use std::sync::{Arc, Mutex};

use dashpot::{
    CommitError, Consumer, Context, Effects, Envelope, Failure, Handler, Invocation, Item, Key,
    Page, Query, Store, StoreError, Write,
};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use shop::{Incoming, Shipped, delivery, invocation};

/// The order, what was deleted before it ran, and how many runs were noted.
type Saw = (String, Vec<String>, Option<i64>);

/// Records what was deleted, and which notes there were, when each order ran.
struct Witness<'a> {
    store: Arc<MemoryStore>,
    queue: &'a RecordingQueue,
    saw: Mutex<Vec<Saw>>,
}

impl Handler<Envelope<Incoming>> for &Witness<'_> {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, _: &Context) -> Result<Effects, Failure> {
        let Incoming::Bought(bought) = event.payload;
        let note = self
            .store
            .row(&Key::new(format!("suspect#event-{}", bought.order)));
        let runs = note.and_then(|row| row.get("runs")?.as_i64());
        self.saw
            .lock()
            .unwrap()
            .push((bought.order.clone(), self.queue.deleted(), runs));
        match bought.what.as_str() {
            "fail" => Err(Failure::retry("away")),
            // What a killed process leaves: no word, and the note.
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
            store: Arc::clone(&self.store),
            queue: &self.queue,
            saw: Mutex::default(),
        }
    }

    /// Handles a batch, or is killed when a message kills.
    async fn handle(&self, witness: &Witness<'_>, deliveries: &[Delivery]) -> Option<Vec<String>> {
        let consumer = Consumer::<_, Envelope<Incoming>>::new("shipping", witness)
            .recovering(&self.queue)
            .atomic(Arc::clone(&self.store))
            .log_to(|_| {});
        let event = sqs_event("shipping", deliveries);
        let (invocation, life) = (invocation(), std::time::Duration::from_millis(200));
        let handling = consumer.handle_batch(&event, &invocation);
        let response = tokio::time::timeout(life, handling).await.ok()?.unwrap();
        Some(
            response
                .batch_item_failures
                .into_iter()
                .map(|failure| failure.item_identifier)
                .collect(),
        )
    }
}

#[tokio::test]
async fn suspects_run_last_and_each_after_what_is_settled_has_been_deleted() {
    let shop = Shop::new();
    let witness = shop.witness();
    let batch = [
        delivery("s1", "ok").attempt(3),
        delivery("a", "ok"),
        delivery("b", "fail").attempt(2),
        delivery("s2", "ok").attempt(4),
    ];
    assert_eq!(shop.handle(&witness, &batch).await.unwrap(), ["b"]);
    let saw = witness.saw.into_inner().unwrap();
    let receipts = |ids: &[&str]| {
        ids.iter()
            .map(|id| format!("receipt-{id}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(saw[2], ("s1".into(), receipts(&["a"]), Some(1)));
    assert_eq!(saw[3], ("s2".into(), receipts(&["a", "s1"]), Some(1)));
    assert!(
        saw[..2]
            .iter()
            .all(|(_, deleted, note)| deleted.is_empty() && note.is_none())
    );
    assert!(shop.store.rows("suspect#").is_empty(), "they have spoken");
}

#[tokio::test]
async fn a_suspect_does_not_run_while_its_neighbours_could_not_be_deleted() {
    let shop = Shop::new();
    shop.queue.fail(true);
    let witness = shop.witness();
    let batch = [delivery("s", "ok").attempt(3), delivery("a", "ok")];
    assert_eq!(shop.handle(&witness, &batch).await.unwrap(), ["s"]);
    assert_eq!(witness.saw.into_inner().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_ends_the_process_three_times_alone_is_parked_as_a_killer() {
    let shop = Shop::new();
    for attempt in 3..6 {
        let witness = shop.witness();
        let batch = [delivery("a", "ok"), delivery("k", "kill").attempt(attempt)];
        assert_eq!(
            shop.handle(&witness, &batch).await,
            None,
            "the process is killed"
        );
    }
    let witness = shop.witness();
    shop.queue.fail(true);
    let failed = shop
        .handle(&witness, &[delivery("k", "kill").attempt(6)])
        .await;
    assert_eq!(failed.unwrap(), ["k"], "it could not be parked");
    shop.queue.fail(false);
    let failed = shop
        .handle(&witness, &[delivery("k", "kill").attempt(7)])
        .await;
    assert!(failed.unwrap().is_empty());
    assert!(
        witness.saw.into_inner().unwrap().is_empty(),
        "it did not run again"
    );
    assert_eq!(shop.queue.parked()[0].note["reason"], "killer");
    assert_eq!(shop.store.said().len(), 1, "its neighbour was done once");
    assert!(
        shop.store.rows("suspect#").is_empty(),
        "a replay starts anew"
    );
    assert!(
        shop.store.rows("suspect#").is_empty(),
        "a replay starts anew"
    );
}

#[tokio::test]
async fn a_suspect_that_speaks_is_forgiven_whatever_it_says() {
    let shop = Shop::new();
    for attempt in 3..12 {
        let witness = shop.witness();
        let failed = shop
            .handle(&witness, &[delivery("s", "fail").attempt(attempt)])
            .await;
        assert_eq!(failed.unwrap(), ["s"]);
    }
    assert!(shop.queue.parked().is_empty());
}

#[tokio::test]
async fn a_suspect_that_cannot_be_noted_does_not_run() {
    let shop = Shop::new();
    shop.store.fail_next(CommitError::Unknown("away".into()));
    let witness = shop.witness();
    assert_eq!(
        shop.handle(&witness, &[delivery("s", "ok").attempt(3)])
            .await
            .unwrap(),
        ["s"]
    );
    assert!(witness.saw.into_inner().unwrap().is_empty());
}

/// A table that never answers when a row is to be removed.
struct Sticky(Arc<MemoryStore>);

impl Store for Sticky {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        if writes
            .iter()
            .any(|write| matches!(write, Write::Delete { .. }))
        {
            std::future::pending::<()>().await;
        }
        self.0.commit(writes).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        self.0.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.query(query).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_note_that_cannot_be_removed_does_not_undo_what_is_settled() {
    let shop = Shop::new();
    let witness = shop.witness();
    let consumer = Consumer::<_, Envelope<Incoming>>::new("shipping", &witness)
        .recovering(&shop.queue)
        .atomic(Sticky(Arc::clone(&shop.store)))
        .log_to(|_| {});
    let hopeless = Delivery::new("hopeless", "no envelope").attempt(3);
    let event = sqs_event("shipping", &[delivery("a", "ok").attempt(3), hopeless]);
    let started = tokio::time::Instant::now();
    let invocation = Invocation {
        deadline: started + std::time::Duration::from_secs(5),
        ..Invocation::default()
    };
    let response = consumer.handle_batch(&event, &invocation).await.unwrap();
    let failures: Vec<_> = response
        .batch_item_failures
        .iter()
        .map(|failure| failure.item_identifier.as_str())
        .collect();
    assert_eq!(failures, ["hopeless"], "it never had its turn");
    assert!(tokio::time::Instant::now() < invocation.deadline);
    assert_eq!(shop.store.said(), ["thing.shipped"]);
}
