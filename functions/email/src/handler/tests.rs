#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use dashpot::{CommitError, Consumer, EventSet, Invocation, OnUnknown, Store, Write};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use serde_json::{Value, json};

use super::*;

/// A carrier that keeps what it is given, and can be told what goes wrong.
#[derive(Debug, Default)]
struct Carrier {
    letters: Mutex<Vec<Letter>>,
    errors: Mutex<VecDeque<MailError>>,
    /// Whether it carries the letter and then says that it did not.
    carries_all_the_same: bool,
}

impl Mailer for &Carrier {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let error = self.errors.lock().unwrap().pop_front();
        if error.is_none() || self.carries_all_the_same {
            self.letters.lock().unwrap().push(letter.clone());
        }
        error.map_or(Ok(()), Err)
    }
}

struct Shop {
    store: Arc<MemoryStore>,
    queue: RecordingQueue,
    carrier: Carrier,
}

impl Shop {
    fn new() -> Self {
        Self {
            store: Arc::default(),
            queue: RecordingQueue::new(),
            carrier: Carrier::default(),
        }
    }

    /// Hands one message over; whether it is settled.
    async fn take(&self, event_type: &str, email: &str) -> bool {
        self.take_body(&body(event_type, &payload(email))).await
    }

    async fn take_body(&self, body: &str) -> bool {
        let response = Consumer::<_, Envelope<Incoming>>::new("email", Email::new(&self.carrier))
            .recovering(&self.queue)
            .claiming(Arc::clone(&self.store), OnUnknown::Handle)
            .log_to(|_| {})
            .handle_batch(
                &sqs_event("email", &[Delivery::new("m", body)]),
                &Invocation::default(),
            )
            .await
            .unwrap();
        response.batch_item_failures.is_empty()
    }

    async fn end_lease(&self, kind: Kind) {
        let end = Write::update(key(&order(), kind)).set("leaseUntil", 0_i64);
        self.store.commit(&[end]).await.unwrap();
    }

    fn kinds(&self) -> Vec<Kind> {
        let letters = self.carrier.letters.lock().unwrap();
        letters.iter().map(|letter| letter.kind).collect()
    }
}

const ADA: &str = "ada@example.com";

fn order() -> OrderId {
    "1".parse().unwrap()
}

fn payload(email: &str) -> Value {
    let money = json!({ "amount": 998, "currency": "EUR" });
    json!({
        "orderId": "1", "userId": "u", "customer": { "email": email }, "total": money, "amount": money,
        "items": [], "short": [], "paymentIntentId": "pi_1", "reason": "card_declined",
    })
}

fn body(event_type: &str, payload: &Value) -> String {
    let version = if event_type == "order.placed" { 2 } else { 1 };
    json!({
        "type": event_type,
        "payload": payload,
        "metadata": { "id": event_type, "timestamp": 1, "correlationId": "c", "version": version },
    })
    .to_string()
}

/// Every type of event that is taken, but for the name of version 1.
fn event_types() -> Vec<&'static str> {
    let types = Incoming::types().into_iter();
    types.filter(|name| *name != "order.created").collect()
}

#[tokio::test]
async fn every_event_is_one_letter_for_two_round_trips_however_often_it_comes() {
    for event_type in event_types() {
        let shop = Shop::new();
        assert!(shop.take(event_type, ADA).await);
        assert_eq!(shop.store.round_trips(), 2);
        for _ in 0..3 {
            assert!(shop.take(event_type, ADA).await);
        }
        assert_eq!(shop.kinds().len(), 1, "{event_type}");
        let row = &shop.store.rows("letter#1#")[0];
        assert_eq!(row["state"].as_str(), Some("sent"));
    }
}

#[tokio::test]
async fn a_letter_is_short_and_names_the_order_and_the_money() {
    let shop = Shop::new();
    for event_type in event_types() {
        assert!(shop.take(event_type, ADA).await);
    }
    for letter in shop.carrier.letters.lock().unwrap().iter() {
        let Letter {
            kind,
            subject,
            text,
            to,
            ..
        } = letter;
        assert_eq!(to.expose(), ADA);
        assert!(subject.ends_with(" (1)") && subject.len() < 78, "{subject}");
        assert!(subject.is_ascii() && !subject.contains(char::is_control));
        assert!(text.contains("Order: 1\n"), "{text}");
        let of_money = !matches!(
            kind,
            Kind::Picking | Kind::Packed | Kind::CancellationRefused
        );
        assert_eq!(text.contains("9.98 EUR"), of_money, "{text}");
    }
}

#[tokio::test]
async fn news_from_before_a_cancellation_are_not_sent_after_it() {
    let shop = Shop::new();
    assert!(shop.take("order.cancelled", ADA).await);
    for event_type in event_types() {
        assert!(shop.take(event_type, ADA).await);
    }
    assert_eq!(
        shop.kinds(),
        [Kind::Cancelled, Kind::Refunded],
        "what went back to the card is told all the same"
    );
}

#[tokio::test]
async fn an_order_of_the_first_version_has_nobody_to_write_to() {
    let shop = Shop::new();
    let payload = json!({ "orderId": "123", "userId": "user_456", "total": 99.99, "items": [] });
    assert!(shop.take_body(&body("order.created", &payload)).await);
    assert_eq!((shop.store.round_trips(), shop.kinds().len()), (0, 0));
}

#[tokio::test]
async fn an_address_that_is_none_is_parked_without_its_text() {
    let shop = Shop::new();
    let forged = "ada@example.com\r\nBcc: everyone@example.com";
    assert!(shop.take("order.placed", forged).await);
    assert_eq!(shop.store.round_trips(), 0);
    let note = &shop.queue.parked()[0].note;
    assert_eq!(note["reason"], "permanent");
    assert!(!note.to_string().contains("ada"), "{note}");
}

#[tokio::test]
async fn a_letter_that_is_refused_is_parked() {
    let shop = Shop::new();
    let refused = MailError::Refused("MessageRejected");
    shop.carrier.errors.lock().unwrap().push_back(refused);
    assert!(shop.take("order.placed", ADA).await);
    let note = &shop.queue.parked()[0].note;
    assert_eq!(note["reason"], "permanent");
    assert!(note["detail"].as_str().unwrap().contains("MessageRejected"));
}

#[tokio::test]
async fn a_carrier_that_takes_no_letters_just_now_is_tried_again() {
    let shop = Shop::new();
    let throttled = MailError::NotNow("TooManyRequests");
    shop.carrier.errors.lock().unwrap().push_back(throttled);
    assert!(!shop.take("order.placed", ADA).await);
    assert!(
        !shop.take("order.placed", ADA).await,
        "the lease still runs"
    );
    shop.end_lease(Kind::Placed).await;
    assert!(shop.take("order.placed", ADA).await);
    assert_eq!(shop.kinds(), [Kind::Placed]);
}

#[tokio::test]
async fn a_letter_whose_answer_was_lost_is_sent_again() {
    let shop = Shop {
        carrier: Carrier {
            carries_all_the_same: true,
            ..Carrier::default()
        },
        ..Shop::new()
    };
    let silence = MailError::Unknown("silence".into());
    shop.carrier.errors.lock().unwrap().push_back(silence);
    assert!(!shop.take("order.placed", ADA).await);
    shop.end_lease(Kind::Placed).await;
    assert!(shop.take("order.placed", ADA).await);
    assert_eq!(shop.kinds(), [Kind::Placed, Kind::Placed], "at least once");
}

#[tokio::test]
async fn nothing_is_sent_without_a_claim() {
    let shop = Shop::new();
    let down = CommitError::Unknown("down".into());
    shop.store.fail_next(down);
    assert!(!shop.take("order.placed", ADA).await);
    assert!(shop.kinds().is_empty());
}

#[tokio::test]
async fn the_decision_is_a_value() {
    let carrier = Carrier::default();
    let event = Envelope {
        event_type: "order.cancelled".into(),
        payload: Incoming::OrderCancelled(serde_json::from_value(payload(ADA)).unwrap()),
        metadata: serde_json::from_value(
            json!({ "id": "e", "timestamp": 1, "correlationId": "c", "version": 1 }),
        )
        .unwrap(),
    };
    let cx = Context::first_delivery("email", "e");
    let effects = Email::new(&carrier).handle(event, &cx).await.unwrap();
    assert_eq!(effects.settled(), Some("sent"));
}
