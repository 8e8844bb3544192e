use std::fmt::Debug;
use std::sync::Arc;

use dashpot::{BatchResponse, Invocation, Recovery};
use dashpot_testing::{MemoryStore, RecordingQueue};
use invoices::seller::Seller;

use crate::doubles::{Cabinet, Letterbox, Obliging, Post, Shelf};
use crate::sample;

/// Hands a consumer its samples, one after the other, on one table. `seen` is what the consumer did so far:
/// `good` after the good message, no more after it came again or after a malformed one, `mixed` after the mixed
/// batch. Nothing may come back, and what is malformed is parked, alone.
async fn samples_of<T: Debug + PartialEq>(
    function: &str,
    consume: impl AsyncFn(String) -> BatchResponse,
    queue: &RecordingQueue,
    seen: impl Fn() -> T,
    good: T,
    mixed: T,
) {
    for (name, expected, parked) in [
        ("good", &good, 0),
        ("duplicate", &good, 0),
        ("malformed", &good, 1),
        ("mixed-batch", &mixed, 2),
    ] {
        let answer = consume(sample(function, name)).await;
        assert_eq!(answer.batch_item_failures, [], "{name}");
        let reasons: Vec<_> = queue
            .parked()
            .iter()
            .map(|it| it.note["reason"].clone())
            .collect();
        assert_eq!(reasons, vec!["malformed"; parked], "{name}");
        assert_eq!(seen(), *expected, "{name}");
    }
}

/// The types of the events in the table's outbox, sorted.
fn said(store: &MemoryStore) -> Vec<String> {
    let mut said = store.said();
    said.sort_unstable();
    said
}

fn owned<const N: usize>(types: [&str; N]) -> Vec<String> {
    types.map(str::to_owned).into()
}

macro_rules! consume {
    ($consumer:expr) => {
        async |event: String| {
            let invocation = Invocation::default();
            $consumer.handle_batch(&event, &invocation).await.unwrap()
        }
    };
}

#[tokio::test]
async fn inventory_answers_for_each_order_once() {
    let (queue, store) = (RecordingQueue::new(), Arc::new(MemoryStore::new()));
    let consumer =
        inventory::consumer(Arc::clone(&store), &queue, Recovery::default()).log_to(|_| ());
    let good = owned(["stock.rejected"]);
    let mixed = owned(["stock.rejected", "stock.rejected"]);
    samples_of(
        "inventory",
        consume!(consumer),
        &queue,
        || said(&store),
        good,
        mixed,
    )
    .await;
}

#[tokio::test]
async fn warehouse_makes_one_pick_list_for_each_order() {
    let (queue, store) = (RecordingQueue::new(), Arc::new(MemoryStore::new()));
    let consumer =
        warehouse::consumer(Arc::clone(&store), &queue, Recovery::default()).log_to(|_| ());
    let good = owned(["pick_list.created"]);
    let mixed = owned(["order.cancelled", "pick_list.created", "pick_list.created"]);
    samples_of(
        "warehouse",
        consume!(consumer),
        &queue,
        || said(&store),
        good,
        mixed,
    )
    .await;
}

#[tokio::test]
async fn payments_captures_and_voids_each_hold_once() {
    let (queue, store) = (RecordingQueue::new(), Arc::new(MemoryStore::new()));
    let consumer = payments::consumer(Arc::clone(&store), &queue, Obliging, Recovery::default())
        .log_to(|_| ());
    let good = owned(["payment.captured"]);
    let mixed = owned(["payment.captured", "payment.captured", "payment.voided"]);
    samples_of(
        "payments",
        consume!(consumer),
        &queue,
        || said(&store),
        good,
        mixed,
    )
    .await;
}

#[tokio::test]
async fn email_sends_one_letter_for_each_order_and_occasion() {
    let (queue, store) = (RecordingQueue::new(), Arc::new(MemoryStore::new()));
    let letterbox = Letterbox::default();
    let consumer =
        email::consumer(Arc::clone(&store), &queue, &letterbox, Recovery::default()).log_to(|_| ());
    samples_of(
        "email",
        consume!(consumer),
        &queue,
        || letterbox.letters(),
        1,
        3,
    )
    .await;
}

#[tokio::test]
async fn journal_keeps_every_event_once_known_or_not() {
    let (queue, store) = (RecordingQueue::new(), Arc::new(MemoryStore::new()));
    let consumer =
        journal::consumer(Arc::clone(&store), &queue, Recovery::default()).log_to(|_| ());
    let kept = || store.rows("order#").len();
    samples_of("journal", consume!(consumer), &queue, kept, 1, 4).await;
}

#[tokio::test]
async fn listing_has_one_row_for_each_order() {
    let (queue, store) = (RecordingQueue::new(), Arc::new(MemoryStore::new()));
    let consumer =
        listing::consumer(Arc::clone(&store), &queue, Recovery::default()).log_to(|_| ());
    let listed = || store.rows("g1#order#").len();
    samples_of("listing", consume!(consumer), &queue, listed, 1, 3).await;
}

#[tokio::test]
async fn analytics_counts_every_event_once_known_or_not() {
    let (queue, store) = (RecordingQueue::new(), Arc::new(MemoryStore::new()));
    let consumer =
        analytics::consumer(Arc::clone(&store), Shelf, &queue, Recovery::default()).log_to(|_| ());
    let counted = || store.rows("seen#").len();
    samples_of("analytics", consume!(consumer), &queue, counted, 1, 4).await;
}

#[tokio::test]
async fn invoices_has_one_document_for_each_order() {
    let (queue, store) = (RecordingQueue::new(), Arc::new(MemoryStore::new()));
    let cabinet = Cabinet::default();
    let seller = Seller::parse("Shop", "19").unwrap();
    let recovery = Recovery::default();
    let consumer = invoices::consumer(store, &cabinet, seller, &queue, recovery).log_to(|_| ());
    let written = || cabinet.documents();
    samples_of("invoices", consume!(consumer), &queue, written, 1, 3).await;
}

#[tokio::test]
async fn quotes_has_one_answer_to_each_question() {
    let (queue, prices) = (RecordingQueue::new(), MemoryStore::new());
    let (post, answers) = (Post::default(), Arc::new(MemoryStore::new()));
    let recovery = Recovery::default();
    let consumer = quotes::consumer(prices, answers, &post, &queue, recovery).log_to(|_| ());
    let given = || post.answers();
    samples_of("quotes", consume!(consumer), &queue, given, 1, 3).await;
}
