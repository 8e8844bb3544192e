#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bank;
mod interleavings;

use std::collections::VecDeque;
use std::sync::Arc;

use dashpot::{Claimed, Consumer, Invocation, Key, OnUnknown, Store, Write};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use payment_gateway::IntentStatus;
use serde_json::{Value, json};
use shop_events::WriteInvoice;

use self::bank::{AMOUNT, Bank, Fault};
use super::*;
use crate::ledger::{Balance, Entry, Kind};

const RESERVED: &str = "stock.reserved";
const REJECTED: &str = "stock.rejected";
const CANCELLED: &str = "order.cancelled";

fn payload(intent: &Value) -> Value {
    json!({
        "orderId": "1", "userId": "u", "customer": { "email": "ada@example.com" },
        "total": { "amount": AMOUNT, "currency": "EUR" }, "items": [], "short": [],
        "paymentIntentId": intent,
    })
}

fn body(event_type: &str, payload: &Value) -> String {
    json!({
        "type": event_type,
        "payload": payload,
        "metadata": { "id": event_type, "timestamp": 1, "correlationId": "c", "version": 1 },
    })
    .to_string()
}

struct Shop {
    store: Arc<MemoryStore>,
    queue: RecordingQueue,
    bank: Bank,
}

impl Shop {
    fn new() -> Self {
        let store = Arc::<MemoryStore>::default();
        Self {
            bank: Bank::new(Arc::clone(&store)),
            store,
            queue: RecordingQueue::new(),
        }
    }

    /// Hands one message over; whether it is settled.
    async fn take_body(&self, body: &str) -> bool {
        let response =
            Consumer::<_, Envelope<Incoming>>::new("payments", Payments::new(&self.bank))
                .recovering(&self.queue)
                .claiming(Arc::clone(&self.store), OnUnknown::Handle)
                .log_to(|_| {})
                .handle_batch(
                    &sqs_event("payments", &[Delivery::new("m", body)]),
                    &Invocation::default(),
                )
                .await
                .unwrap();
        self.assert_state_is_the_fold();
        response.batch_item_failures.is_empty()
    }

    async fn take(&self, event_type: &str) -> bool {
        self.take_body(&body(event_type, &payload(&json!("pi_1"))))
            .await
    }

    /// Takes messages until all are settled: what is not comes back, after the leases of that time.
    async fn settle(&self, events: &[&str]) {
        let mut waiting: VecDeque<&str> = events.iter().copied().collect();
        for _ in 0..50 {
            let Some(event) = waiting.pop_front() else {
                assert!(self.queue.parked().is_empty());
                return;
            };
            if !self.take(event).await {
                waiting.push_back(event);
            }
            self.end_lease().await;
        }
        panic!("never settled: {waiting:?}");
    }

    async fn end_lease(&self) {
        let row = self.store.row(&key());
        if row.is_some_and(|row| row.contains_key("leaseUntil")) {
            let end = Write::update(key()).set("leaseUntil", 0_i64);
            // What a fault has in store for somebody's record may meet this write instead.
            while self.store.commit(std::slice::from_ref(&end)).await.is_err() {}
        }
    }

    fn state(&self) -> State {
        State::of(&self.store.row(&key()).unwrap()).unwrap()
    }

    fn entries(&self) -> Vec<Entry> {
        let rows = self.store.rows("payment#1");
        let entries: Vec<Entry> = rows.iter().filter_map(Entry::read).collect();
        assert!(entries.iter().all(|entry| entry.amount.amount == AMOUNT));
        entries
    }

    /// What happened to the money since it was held, by the ledger.
    fn ledger(&self) -> Vec<&'static str> {
        let entries = self.entries();
        assert_eq!(entries[0].kind, Kind::Authorised);
        entries
            .iter()
            .skip(1)
            .map(|entry| entry.kind.as_str())
            .collect()
    }

    /// What the state's row says is what the entries add up to, at any moment.
    fn assert_state_is_the_fold(&self) {
        let row = self.store.row(&key());
        let state = row.as_ref().map(|row| State::of(row).unwrap());
        let entries = self.entries();
        let balance = Balance::of(entries.clone());
        assert!(balance.agrees_with(state), "{state:?}: {entries:?}");
        let version = row.map_or(0, |row| row["version"].as_i64().unwrap());
        assert!(entries.iter().all(|entry| entry.number <= version));
    }

    /// Provider, state, ledger and events tell the same story.
    fn assert_consistent(&self, case: &str) {
        let intent = self.bank.intent();
        let kept = intent.amount_received - intent.amount_refunded;
        let end = match self.state() {
            State::Captured => (IntentStatus::Succeeded, AMOUNT, vec!["captured"]),
            State::Refunded => (IntentStatus::Succeeded, 0, vec!["captured", "refunded"]),
            State::Voided => (IntentStatus::Canceled, 0, vec!["voided"]),
            State::Failed => (IntentStatus::Canceled, 0, vec!["failed"]),
            unsettled => panic!("{case}: {unsettled:?}"),
        };
        let ledger = self.ledger();
        assert_eq!((intent.status, kept, ledger.clone()), end, "{case}");
        let balance = Balance::of(self.entries());
        assert_eq!((balance.kept(), balance.held()), (kept, 0), "{case}");
        self.assert_state_is_the_fold();
        let told: Vec<String> = ledger
            .iter()
            .map(|kind| format!("payment.{kind}"))
            .collect();
        assert_eq!(self.store.said(), told, "{case}");
    }
}

fn key() -> Key {
    Key::of("payment#1", "state")
}

/// Every order in which the messages can arrive, with those that are equal not told apart.
fn arrivals<'a>(messages: &[&'a str]) -> Vec<Vec<&'a str>> {
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
async fn reserved_stock_is_paid_for_with_two_round_trips_and_one_call() {
    let shop = Shop::new();
    assert!(shop.take(RESERVED).await);
    assert_eq!(shop.store.round_trips(), 2);
    assert_eq!(shop.bank.calls(), ["capture"]);
    assert_eq!(shop.state(), State::Captured);
    shop.assert_consistent("captured");
}

#[tokio::test]
async fn rejected_stock_frees_the_hold() {
    let shop = Shop::new();
    assert!(shop.take(REJECTED).await);
    assert_eq!(shop.bank.calls(), ["cancel"]);
    assert_eq!(shop.state(), State::Voided);
    shop.assert_consistent("voided");
}

#[tokio::test]
async fn only_what_was_captured_is_refunded() {
    let shop = Shop::new();
    shop.settle(&[RESERVED, CANCELLED]).await;
    assert_eq!(shop.bank.calls(), ["capture", "refund"]);
    assert_eq!(shop.state(), State::Refunded);
    let shop = Shop::new();
    shop.settle(&[CANCELLED, RESERVED]).await;
    assert_eq!(shop.bank.calls(), ["cancel"]);
    assert_eq!(shop.state(), State::Voided);
}

#[tokio::test]
async fn money_is_conserved_in_every_order_of_arrival_whatever_goes_wrong() {
    let faults = [
        Fault::Silence,
        Fault::LostAnswer,
        Fault::Crash,
        Fault::LostRecord,
        Fault::RateLimited,
    ];
    let sets: [(&[&str], &[State]); 4] = [
        (&[RESERVED, RESERVED], &[State::Captured]),
        (&[REJECTED, REJECTED, CANCELLED], &[State::Voided]),
        (
            &[RESERVED, RESERVED, CANCELLED, CANCELLED],
            &[State::Refunded, State::Voided],
        ),
        // Inventory never says both; if it did, the customer would have their money back.
        (
            &[RESERVED, RESERVED, REJECTED, REJECTED, CANCELLED, CANCELLED],
            &[State::Refunded, State::Voided],
        ),
    ];
    for (events, ends) in sets {
        for arrival in arrivals(events) {
            for (at, fault) in (0..3).flat_map(|at| faults.map(|fault| (at, fault))) {
                let case = format!("{arrival:?}, {fault:?} at {at}");
                let shop = Shop::new();
                shop.bank.faults(vec![None; at]);
                shop.bank.faults([Some(fault)]);
                shop.settle(&arrival).await;
                assert!(ends.contains(&shop.state()), "{case}: {:?}", shop.state());
                shop.assert_consistent(&case);
            }
        }
    }
}

#[tokio::test]
async fn a_capture_that_may_have_happened_is_asked_about_and_not_repeated() {
    for fault in [Fault::LostAnswer, Fault::Crash] {
        let shop = Shop::new();
        shop.bank.faults([Some(fault)]);
        shop.settle(&[RESERVED]).await;
        assert_eq!(shop.bank.calls(), ["capture", "retrieve"], "{fault:?}");
        shop.assert_consistent("asked");
    }
}

#[tokio::test]
async fn a_capture_that_did_not_happen_is_made_under_a_new_key() {
    let shop = Shop::new();
    shop.bank.faults([Some(Fault::Silence)]);
    shop.settle(&[RESERVED]).await;
    assert_eq!(shop.bank.calls(), ["capture", "retrieve", "capture"]);
    assert_eq!(shop.ledger(), ["captured"]);
}

#[tokio::test]
async fn a_refused_capture_leaves_no_hold_and_is_told() {
    let shop = Shop::new();
    shop.bank.refuse_captures();
    shop.settle(&[RESERVED, CANCELLED, RESERVED]).await;
    assert_eq!(shop.bank.calls(), ["capture", "retrieve", "cancel"]);
    shop.assert_consistent("refused");
    let said = shop.store.rows("outbox#")[0]["body"].clone();
    let said: Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
    assert_eq!(
        said["payload"]["reason"], "expired_card",
        "the bank's own reason is not for the customer"
    );
}

#[tokio::test]
async fn a_refused_capture_ends_as_failed_also_when_letting_go_is_not_answered() {
    let shop = Shop::new();
    shop.bank.refuse_captures();
    shop.bank.faults([None, Some(Fault::LostAnswer)]);
    shop.settle(&[RESERVED]).await;
    shop.assert_consistent("refused, and the answer to letting go lost");
    assert_eq!(shop.state(), State::Failed);
}

#[tokio::test]
async fn a_hold_that_has_lapsed_is_a_failed_payment() {
    let shop = Shop::new();
    shop.bank.lapse();
    shop.settle(&[RESERVED]).await;
    assert_eq!(shop.state(), State::Failed);
    shop.assert_consistent("lapsed");
}

#[tokio::test]
async fn a_request_that_the_provider_does_not_understand_is_parked_with_the_hold_untouched() {
    let shop = Shop::new();
    shop.bank.faults([Some(Fault::Invalid)]);
    assert!(shop.take(RESERVED).await);
    assert_eq!(shop.queue.parked()[0].note["reason"], "permanent");
    assert_eq!(shop.bank.intent().status, IntentStatus::RequiresCapture);
    assert!(shop.store.said().is_empty());
    shop.end_lease().await;
    assert!(shop.take(RESERVED).await, "replayed once that is put right");
    assert_eq!(shop.state(), State::Captured);
    shop.assert_consistent("replayed");
}

#[tokio::test]
async fn a_cancellation_waits_while_a_capture_is_unresolved() {
    let shop = Shop::new();
    shop.bank.faults([Some(Fault::LostAnswer)]);
    assert!(!shop.take(RESERVED).await);
    assert!(!shop.take(CANCELLED).await);
    shop.end_lease().await;
    assert!(
        !shop.take(CANCELLED).await,
        "the capture's own message asks"
    );
    assert_eq!(shop.bank.calls(), ["capture"]);
    assert!(shop.take(RESERVED).await && shop.take(CANCELLED).await);
    assert_eq!(shop.state(), State::Refunded);
    shop.assert_consistent("waited");
}

#[tokio::test]
async fn what_comes_late_does_not_wait_for_a_decision_that_is_made() {
    let shop = Shop::new();
    shop.bank.faults([Some(Fault::Silence)]);
    assert!(!shop.take(CANCELLED).await);
    assert_eq!(shop.state(), State::Voiding);
    assert!(shop.take(RESERVED).await);
    assert_eq!(shop.bank.calls(), ["cancel"]);
}

#[tokio::test]
async fn money_that_was_captured_behind_our_back_goes_back() {
    let shop = Shop::new();
    shop.bank.capture_by_hand();
    assert!(shop.take(CANCELLED).await);
    assert_eq!(shop.bank.intent().amount_refunded, AMOUNT);
    assert_eq!(shop.state(), State::Refunded);
    assert_eq!(shop.store.said(), ["payment.refunded"]);
    assert_eq!(Balance::of(shop.entries()).kept(), 0);
}

#[tokio::test]
async fn a_refund_that_the_bank_does_not_take_waits_for_a_person() {
    let shop = Shop::new();
    shop.bank.refuse_refunds();
    assert!(shop.take(RESERVED).await && shop.take(CANCELLED).await);
    assert_eq!(shop.queue.parked()[0].note["reason"], "permanent");
    assert_eq!(shop.state(), State::Refunding);
    assert_eq!(shop.store.said(), ["payment.captured"]);
}

#[tokio::test]
async fn an_order_without_a_hold_costs_nothing() {
    let shop = Shop::new();
    for event_type in [RESERVED, REJECTED, CANCELLED] {
        assert!(
            shop.take_body(&body(event_type, &payload(&Value::Null)))
                .await
        );
    }
    assert_eq!((shop.store.round_trips(), shop.bank.calls().len()), (0, 0));
}

#[tokio::test]
async fn the_decision_is_a_value() {
    let bank = Bank::new(Arc::default());
    let body = body(RESERVED, &payload(&json!("pi_1")));
    let envelope: Envelope<Value> = serde_json::from_str(&body).unwrap();
    let event = Envelope {
        payload: Incoming::StockReserved(serde_json::from_value(envelope.payload).unwrap()),
        event_type: envelope.event_type,
        metadata: envelope.metadata,
    };
    let cx = Context::first_delivery("payments", "e").with_claim(Claimed {
        version: 1,
        acting: "capturing",
        may_have_happened: false,
        before: None,
    });
    let effects = Payments::new(&bank).handle(event, &cx).await.unwrap();
    assert_eq!(effects.settled(), Some("captured"));
    assert_eq!(effects.emitted(), ["payment.captured"]);
    assert_eq!(effects.commanded(), [("invoices", "invoice.write")]);
    let job: WriteInvoice = effects.emitted_payload().unwrap();
    assert_eq!((job.total.amount, job.captured_at), (AMOUNT, cx.now));
    let entry = Key::of("payment#1", "entry#000001");
    assert_eq!(effects.written()[0].key(), &entry);
}
