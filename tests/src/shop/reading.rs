//! What customers see of their orders: `GET /orders/{id}`.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use orders::handler::Orders;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout_at};

use super::Shop;

/// How long a customer waits before they look again.
const PAUSE: Duration = Duration::from_mins(1);

/// An answer about an order, between two looks into the journal.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) order: String,
    /// The HTTP status; 500 where the function had none.
    pub(super) status: u16,
    pub(super) state: String,
    /// By event id, the types of the events that were shown.
    pub(super) history: BTreeMap<String, String>,
    /// The ids of the order's events that the journal held when it was asked, and when it had answered.
    pub(super) held: [Vec<String>; 2],
}

impl Shop {
    /// A customer looks at an order, and again while there is no answer, so many times at most.
    pub async fn look_at(&self, order: &str, tries: usize) {
        let mut shown = self.show(order).await;
        for _ in 1..tries {
            if shown.status < 500 {
                break;
            }
            sleep(PAUSE).await;
            shown = self.show(order).await;
        }
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(shown);
    }

    /// The same for every order that a customer was promised.
    pub async fn look_at_all(&self, tries: usize) {
        let promised = self.answers();
        for order in promised.iter().filter_map(super::Outcome::order_id) {
            self.look_at(&order, tries).await;
        }
    }

    async fn show(&self, order: &str) -> Shown {
        let before = self.held_of(order);
        let event = json!({
            "version": "2.0", "routeKey": "GET /orders/{id}", "rawPath": format!("/orders/{order}"),
            "rawQueryString": "", "headers": {}, "pathParameters": { "id": order },
            "requestContext": { "stage": "$default", "http": { "method": "GET", "path": format!("/orders/{order}") } },
            "isBase64Encoded": false,
        })
        .to_string();
        let invocation = self.invocation("orders");
        let answering = Box::pin(self.in_process("orders", "GET /orders/{id}", |process| {
            let (orders, event) = (Orders::new(self.table("journal", &process)), &event);
            let invocation = &invocation;
            async move { orders::http::answer(&orders, event, invocation).await }
        }));
        let answer = timeout_at(invocation.deadline, answering).await;
        let answer = answer.ok().and_then(Result::ok);
        let answer = answer.map_or(Value::Null, |answer| serde_json::to_value(&answer).unwrap());
        let body = answer["body"].as_str().unwrap_or("null");
        let body: Value = serde_json::from_str(body).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let history = body["history"].as_array().into_iter().flatten();
        Shown {
            order: order.to_owned(),
            status: answer["statusCode"]
                .as_u64()
                .map_or(500, |status| u16::try_from(status).unwrap()),
            state: text(&body["state"]),
            history: history
                .map(|entry| (text(&entry["id"]), text(&entry["type"])))
                .collect(),
            held: [before, self.held_of(order)],
        }
    }

    /// The ids of an order's events in the journal.
    fn held_of(&self, order: &str) -> Vec<String> {
        let rows = self.tables["journal"].rows(&format!("order#{order}"));
        let id = |row: &dashpot::Item| Some(row.get("sk")?.as_str()?.split_once('#')?.1.to_owned());
        rows.iter().filter_map(id).collect()
    }

    /// What customers were shown, in order.
    pub(super) fn shown(&self) -> Vec<Shown> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }
}
