//! What customers and the shop's people do.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use dashpot::MessageAttribute;
use dashpot_testing::fault::{Call, Fault, Faults};
use dashpot_testing::{Outgoing, SimQueue};
use serde_json::{Value, json};
use shop_events::WriteInvoice;
use tokio::time::{sleep, timeout, timeout_at};
use warehouse::packing::{PackError, pack};

use super::Shop;
use super::functions::NOT_YET;
use super::topic::Published;

/// What a customer orders, under which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Whose.
    pub customer: String,
    /// The `Idempotency-Key`.
    pub key: String,
    /// The provider's token for the card.
    pub card: &'static str,
    /// Skus and quantities.
    pub lines: Vec<(&'static str, u32)>,
}

/// An answer that a customer got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whose order under which key.
    pub key: (String, String),
    /// The HTTP status; 500 where the function had none.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Outcome {
    /// The order, if it is placed.
    #[must_use]
    pub fn order_id(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        Some(body["orderId"].as_str()?.to_owned()).filter(|_| self.status == 202)
    }

    /// Whether the customer has reason to ask again.
    fn is_open(&self) -> bool {
        self.status >= 500 || (self.status == 409 && self.body.contains("in-flight"))
    }
}

impl Shop {
    /// One request to place an order.
    pub async fn post(&self, order: &Order) -> Outcome {
        let process = self.mishaps.process("checkout", "POST /orders");
        self.post_to(process, order).await
    }

    /// One request, whose process ends as soon as that call has acted.
    pub async fn post_and_die(&self, order: &Order, after: &'static str) {
        let dies = move |call: &Call| (call.operation == after).then_some(Fault::KillAfter);
        self.post_to(Faults::new("checkout", dies), order).await;
    }

    async fn post_to(&self, process: Faults, order: &Order) -> Outcome {
        let items: Vec<Value> = order
            .lines
            .iter()
            .map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }))
            .collect();
        let body = json!({
            "userId": order.customer, "email": "ada@example.com", "items": items,
            "paymentMethod": order.card,
        });
        let event = json!({
            "version": "2.0", "routeKey": "POST /orders", "rawPath": "/orders", "rawQueryString": "",
            "headers": { "content-type": "application/json", "idempotency-key": order.key,
                         "x-correlation-id": format!("{}-{}", order.customer, order.key) },
            "requestContext": { "stage": "$default", "http": { "method": "POST", "path": "/orders" } },
            "body": body.to_string(), "isBase64Encoded": false,
        });
        let (status, body) = self.ask(process, &event).await;
        let outcome = Outcome {
            key: (order.customer.clone(), order.key.clone()),
            status,
            body,
        };
        self.mishaps
            .note(&format!("{} {}", outcome.status, outcome.body));
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push(outcome.clone());
        outcome
    }

    /// What checkout answers; 500 where it does not.
    async fn ask(&self, process: Faults, event: &Value) -> (u16, String) {
        let event = event.to_string();
        let invocation = self.invocation("checkout");
        let asked = |process: Faults| {
            let (event, invocation) = (event.as_str(), &invocation);
            async move {
                let checkout = checkout::handler::Checkout::new(
                    self.table("checkout", &process),
                    self.wire(&process),
                    self.blueprint.hold_bound,
                )
                .log_to(|_| {});
                checkout::http::answer(&checkout, event, invocation).await
            }
        };
        let answering = Box::pin(self.run_in(process, "checkout", asked));
        let answer = timeout_at(invocation.deadline, answering).await;
        let Some(answer) = answer.ok().and_then(Result::ok) else {
            return (500, String::new());
        };
        let answer = serde_json::to_value(&answer).unwrap();
        let status = answer["statusCode"].as_u64().unwrap();
        let body = answer["body"].as_str().unwrap_or_default();
        (u16::try_from(status).unwrap(), body.to_owned())
    }

    /// A customer who asks again with the same key while there is no final answer, so many times at most.
    pub async fn place(&self, order: &Order, tries: usize) -> Outcome {
        let mut outcome = self.post(order).await;
        for _ in 1..tries {
            if !outcome.is_open() {
                break;
            }
            sleep(Duration::from_millis(fastrand::u64(500..20_000))).await;
            outcome = self.post(order).await;
        }
        outcome
    }

    /// What customers were told, in order.
    pub fn answers(&self) -> Vec<Outcome> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.clone()
    }

    /// A customer asks for the cancellation of an order, and again while there is no answer, so many times at most.
    pub async fn cancel(&self, order_id: &str, customer: &str, tries: usize) -> u16 {
        let path = format!("/orders/{order_id}/cancel");
        let event = json!({
            "version": "2.0", "routeKey": "POST /orders/{id}/cancel", "rawPath": path, "rawQueryString": "",
            "headers": { "content-type": "application/json" }, "pathParameters": { "id": order_id },
            "requestContext": { "stage": "$default", "http": { "method": "POST", "path": path } },
            "body": json!({ "userId": customer }).to_string(), "isBase64Encoded": false,
        });
        let mut status = 500;
        for _ in 0..tries {
            let process = self.mishaps.process("checkout", "POST /orders/{id}/cancel");
            let (answered, body) = self.ask(process, &event).await;
            self.mishaps.note(&format!("{answered} {body}"));
            status = answered;
            if status == 202 {
                let told = self.cancellations.lock();
                let mut told = told.unwrap_or_else(PoisonError::into_inner);
                told.insert(order_id.to_owned());
            }
            if status < 500 {
                break;
            }
            sleep(Duration::from_millis(fastrand::u64(500..20_000))).await;
        }
        status
    }

    /// A person packs what is on an order's pick list, if it is open, and says so again while that fails.
    pub async fn pack(&self, order_id: &str, tries: usize) {
        let order = order_id.parse().unwrap();
        for _ in 0..tries {
            let packing = self.in_process("warehouse", "a person packs", async |process| {
                let table = self.table("warehouse", &process);
                pack(&table, &order, self.clock.now()).await
            });
            let packed = timeout(Duration::from_mins(1), Box::pin(packing)).await;
            match packed {
                Ok(Ok(Ok(_) | Err(PackError::NoList(_) | PackError::Withdrawn(_)))) => return,
                Ok(Ok(Err(error))) => self.mishaps.note(&error.to_string()),
                Ok(Err(_)) | Err(_) => {}
            }
            sleep(Duration::from_millis(fastrand::u64(500..20_000))).await;
        }
    }

    /// Somebody asks what a chair would cost, and waits for the answer for as long.
    pub fn ask_for_quote(&self, id: &str, for_a: Duration) {
        let wait = u64::try_from(for_a.as_millis()).unwrap();
        let body = json!({
            "type": "quote.requested",
            "payload": {
                "replyTo": self.replies.settings().name, "deadline": self.clock.now() + wait,
                "question": { "userId": "user_456", "items": [{ "sku": "chair", "quantity": 2 }] },
            },
            "metadata": { "id": id, "timestamp": self.clock.now(), "version": 1 },
        });
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(id.to_owned());
        self.queues["quotes"]
            .0
            .send(Outgoing::new(body.to_string()))
            .unwrap();
    }

    /// Somebody deletes a consumer's subscription, and makes it anew after a while.
    pub async fn unsubscribe(&self, consumer: &str, for_a: Duration) {
        let queue = &self.queues[consumer].0;
        self.topic.unsubscribe(queue);
        sleep(for_a).await;
        let filter = self.blueprint.consumers[consumer].filter.clone();
        self.topic.subscribe(filter, queue);
    }

    /// Somebody wants the invoice of a paid order at once: the same job, to the queue that waits for nothing else.
    pub fn ask_for_invoice(&self, order_id: &str) {
        let taken = self.topic.taken();
        let said = |event_type: &str| {
            let mut events = taken.iter().filter(|it| it.event_type == event_type);
            let event = events.find_map(|it| {
                let envelope: Value = serde_json::from_str(&it.body).unwrap();
                (envelope["payload"]["orderId"] == order_id).then_some(envelope)
            });
            event.unwrap_or_else(|| panic!("{order_id}: no {event_type}"))
        };
        let (reserved, captured) = (said("stock.reserved"), said("payment.captured"));
        let items = serde_json::from_value(reserved["payload"]["items"].clone()).unwrap();
        let captured_at = captured["metadata"]["timestamp"].as_u64().unwrap();
        let captured = serde_json::from_value(captured["payload"].clone()).unwrap();
        let job = WriteInvoice::of(captured, items, captured_at);
        let body = json!({
            "type": "invoice.write", "payload": job,
            "metadata": { "id": format!("urgent-{order_id}"), "timestamp": self.clock.now(), "version": 1 },
        });
        let queue = &self.queues["invoices-urgent"].0;
        queue
            .send(Outgoing {
                body: body.to_string(),
                ..Outgoing::default()
            })
            .unwrap();
    }

    /// The reference text's own message, from a producer of the first version.
    pub fn publish_first_version(&self, order_id: &str) {
        let body = json!({
            "type": "order.created",
            "payload": { "orderId": order_id, "userId": "user_456", "total": 99.99, "items": [] },
            "metadata": { "timestamp": self.clock.now(), "correlationId": "req_789", "version": 1 },
        });
        let attribute = |data_type, value: &str| (data_type, value.to_owned());
        self.topic.publish(&[Published {
            body: body.to_string(),
            attributes: [
                ("type".to_owned(), attribute("String", "order.created")),
                ("version".to_owned(), attribute("Number", "1")),
            ]
            .into(),
            group: None,
        }]);
    }

    /// A message that is no envelope, from a producer that has lost its way.
    pub fn publish_malformed(&self, event_type: &str) {
        let body = format!("no envelope of {event_type}");
        let attribute = ("String", event_type.to_owned());
        self.topic.deliver(&Published {
            body: body.clone(),
            attributes: [("type".to_owned(), attribute)].into(),
            group: None,
        });
        let mut malformed = self
            .malformed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        malformed.insert(body, event_type.to_owned());
    }

    pub(super) fn malformed(&self) -> BTreeMap<String, String> {
        let malformed = self
            .malformed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        malformed.clone()
    }

    /// Whether a consumer gets events of that type.
    pub(super) fn is_subscribed(&self, consumer: &str, event_type: &str) -> bool {
        let consumer = &self.blueprint.consumers[consumer];
        let filter = consumer.filter.as_ref();
        consumer.subscribes && filter.is_none_or(|filter| filter.contains(event_type))
    }

    /// Sends every dead letter again whose cause may be cured, as `dashpot dlq replay` does; how many. What else lies
    /// there stays.
    pub fn replay(&self) -> usize {
        let replayed = self
            .queues
            .values()
            .map(|(queue, dead_letters)| replay(queue, dead_letters));
        replayed.sum()
    }
}

/// Reasons that pass: an outage ends, a deployment arrives, a process that died did not die of the message.
const CURABLE: [&str; 5] = [
    "expired",
    "not_yet_known",
    "killer",
    "panic",
    "unknown_outcome",
];

fn replay(queue: &Arc<SimQueue>, dead_letters: &Arc<SimQueue>) -> usize {
    let mut replayed = 0;
    loop {
        let received = dead_letters.receive(10).unwrap();
        if received.is_empty() {
            return replayed;
        }
        for letter in received {
            let mut attributes = letter.message.attributes.clone();
            let note = attributes.remove("dashpot").and_then(|it| it.string_value);
            let note: Value = serde_json::from_str(&note.unwrap_or_default()).unwrap_or_default();
            // Without a note SQS itself gave it up.
            let reason = note["reason"].as_str().unwrap_or("expired");
            if !CURABLE.contains(&reason) {
                continue;
            }
            let redrives = note["redrives"].as_u64().unwrap_or_default() + 1;
            attributes.insert(
                "redrives".to_owned(),
                MessageAttribute {
                    data_type: "Number".to_owned(),
                    string_value: Some(redrives.to_string()),
                    binary_value: None,
                },
            );
            let outgoing = Outgoing {
                body: letter.message.body.replace(&format!("{NOT_YET}\""), "\""),
                attributes,
                group: letter.message.group.clone(),
                ..Outgoing::default()
            };
            queue.send(outgoing).unwrap();
            dead_letters.delete(&letter.receipt).unwrap();
            replayed += 1;
        }
    }
}
