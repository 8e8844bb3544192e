#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use dashpot::{Invocation, Recovery};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use serde_json::{Value as Json, json};

use super::*;

/// Takes answers, or fails as it is told to.
#[derive(Default)]
struct Post {
    fails: Mutex<VecDeque<NotReplied>>,
    sent: Mutex<Vec<(String, String)>>,
}

impl Replies for &Post {
    async fn send(&self, to: &str, answer: &str) -> Result<(), NotReplied> {
        self.sent
            .lock()
            .unwrap()
            .push((to.to_owned(), answer.to_owned()));
        self.fails.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }
}

struct Shop {
    prices: Arc<MemoryStore>,
    answers: Arc<MemoryStore>,
    post: Post,
    queue: RecordingQueue,
}

impl Shop {
    async fn open() -> Self {
        let shop = Self {
            prices: Arc::default(),
            answers: Arc::default(),
            post: Post::default(),
            queue: RecordingQueue::new(),
        };
        shop.price("chair", 500).await;
        shop.price("lamp", 250).await;
        shop
    }

    async fn price(&self, sku: &str, price: i64) {
        let row = Row::new(Key::new(format!("product#{sku}")));
        let row = row.set("price", price).set("currency", "EUR");
        self.prices.commit(&[Write::put(row)]).await.unwrap();
    }

    /// Whether the request is settled.
    async fn ask(&self, skus: &[&str], deadline: u64) -> bool {
        let items: Vec<Json> = skus
            .iter()
            .map(|sku| json!({"sku": sku, "quantity": 2}))
            .collect();
        let body = json!({
            "type": "quote.requested",
            "payload": {"replyTo": "r-1", "deadline": deadline, "question": {"userId": "u", "items": items}},
            "metadata": {"id": "q-1", "timestamp": 1, "version": 1},
        });
        let (prices, answers) = (Arc::clone(&self.prices), Arc::clone(&self.answers));
        let recovery = Recovery::default();
        let consumer =
            crate::consumer(prices, answers, &self.post, &self.queue, recovery).log_to(|_| {});
        let event = sqs_event("quotes", &[Delivery::new("m", body.to_string())]);
        let answer = consumer.handle_batch(&event, &Invocation::default()).await;
        answer.unwrap().batch_item_failures.is_empty()
    }

    fn answers(&self) -> Vec<Json> {
        let sent = self.post.sent.lock().unwrap();
        sent.iter()
            .map(|(_, answer)| serde_json::from_str(answer).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_question_is_answered_under_its_own_id() {
    let shop = Shop::open().await;
    assert!(shop.ask(&["chair", "lamp"], u64::MAX).await);
    let answers = shop.answers();
    assert_eq!(answers[0]["metadata"]["correlationId"], "q-1");
    assert_eq!(answers[0]["payload"]["total"]["amount"], 1500);
    assert_eq!(shop.post.sent.lock().unwrap()[0].0, "r-1");
}

#[tokio::test]
async fn what_is_not_sold_is_named_and_there_is_no_total() {
    let shop = Shop::open().await;
    assert!(shop.ask(&["chair", "moon"], u64::MAX).await);
    let answer = &shop.answers()[0]["payload"];
    assert_eq!(answer["unknown"], json!(["moon"]));
    assert_eq!(answer["total"], Json::Null);
}

#[tokio::test]
async fn an_answer_that_may_have_been_sent_is_sent_again_word_for_word() {
    let shop = Shop::open().await;
    let lost = NotReplied::Unknown("no answer".into());
    shop.post.fails.lock().unwrap().push_back(lost);
    assert!(!shop.ask(&["chair"], u64::MAX).await);
    shop.price("chair", 900).await;
    assert!(shop.ask(&["chair"], u64::MAX).await);
    let sent = shop.post.sent.lock().unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_worked_on() {
    let shop = Shop::open().await;
    assert!(shop.ask(&["chair"], 1).await);
    assert!(shop.answers().is_empty());
    assert_eq!(shop.prices.round_trips(), 2, "but to put the prices in");
}

#[tokio::test]
async fn whoever_has_gone_is_no_failure_and_a_foreign_queue_is_for_a_person_to_look_at() {
    let shop = Shop::open().await;
    shop.post.fails.lock().unwrap().extend([
        NotReplied::Gone,
        NotReplied::Forbidden("dashpot-payments".into(), "r-".into()),
    ]);
    assert!(shop.ask(&["chair"], u64::MAX).await);
    assert!(shop.queue.parked().is_empty());
    assert!(shop.ask(&["chair"], u64::MAX).await);
    assert_eq!(shop.queue.parked()[0].note["reason"], "permanent");
}
