//! A customer asks for the cancellation of an order. It is only asked here: warehouse alone knows whether the goods have
//! left, and decides.
//!
//! `POST /orders/{id}/cancel` with `{"userId":"…"}`. The order's row gets its answer, `cancellation`, in the transaction that
//! says `order.cancellation_requested`; a repeat finds it there, and asks nothing a second time.

use dashpot::{Condition, Item, Key, Store, Value, Write};
use payment_gateway::Gateway;
use serde::{Deserialize, Serialize};
use shop_events::{OrderCancellationRequested, OrderId, OrderPlaced, UserId};

use crate::attempt::Answer;
use crate::handler::{Checkout, LARGEST_BODY, Reply, Request, Step};
use crate::problem::Problem;

/// The attribute of an order that holds the answer to its cancellation's request.
const CANCELLATION: &str = "cancellation";

/// Where an order lies.
pub(crate) fn order_key(order: &OrderId) -> Key {
    Key::new(format!("order#{order}"))
}

/// Whose order it is said to be.
///
/// # Errors
/// A [`Problem`] that names the field.
pub fn customer(body: &[u8]) -> Result<UserId, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        user_id: Option<UserId>,
    }
    let body: Body = strict_json::from_slice(body)?;
    body.user_id
        .ok_or_else(|| Problem::field("userId", "is required"))
}

impl<S: Store, G: Gateway> Checkout<S, G> {
    /// Asks for the cancellation of the order that the path names, or says why not.
    pub async fn cancel(&self, order: &str, request: &Request) -> Reply {
        let mut order_id = None;
        let steps = self.ask_to_cancel(order, request, &mut order_id);
        let outcome = request.in_time(steps).await;
        let outcome = outcome.map_err(Problem::about_a_cancellation);
        let mut reply = Reply::from_outcome(outcome, &request.correlation_id);
        reply.order_id = order_id;
        reply
    }

    async fn ask_to_cancel(
        &self,
        order: &str,
        request: &Request,
        order_id: &mut Option<OrderId>,
    ) -> Result<Answer, Problem> {
        if request.body.len() > LARGEST_BODY {
            return Err(Problem::too_large(LARGEST_BODY));
        }
        let customer = customer(&request.body)?;
        // A name that no order has is not worth another answer than an order that is not there.
        let order: OrderId = order.parse().map_err(|_| Problem::no_such_order())?;
        let key = order_key(&order);
        let rows = self.store.get(std::slice::from_ref(&key)).await;
        let row = rows.map_err(Problem::undecided)?.pop().flatten();
        let row = row
            .filter(|row| is_of(row, &customer))
            .ok_or_else(Problem::no_such_order)?;
        *order_id = Some(order);
        if let Some(answer) = answered(&row) {
            return Ok(answer);
        }
        let placed = row.get("placed").and_then(Value::as_str);
        let placed =
            placed.ok_or_else(|| Problem::undecided("the order says nothing of itself"))?;
        let placed: OrderPlaced = strict_json::from_str(placed).map_err(Problem::undecided)?;
        let answer = accepted(&placed.order_id, &request.correlation_id);
        let says = request.origin().says(&asked(placed));
        let says = says.map_err(Problem::undecided)?;
        let ask = Write::update(key)
            .set(CANCELLATION, answer.body.as_str())
            .when(
                Condition::equals("userId", customer.as_str())
                    .and(Condition::Missing(CANCELLATION.to_owned())),
            );
        match self.commit(&[ask, says]).await? {
            Step::Ours(()) => Ok(answer),
            // Asked in the meantime, perhaps by this very transaction, whose answer was lost.
            Step::Theirs(row) => row
                .as_ref()
                .and_then(answered)
                .ok_or_else(|| Problem::undecided("the order went away")),
        }
    }
}

fn is_of(row: &Item, customer: &UserId) -> bool {
    row.get("userId").and_then(Value::as_str) == Some(customer.as_str())
}

fn answered(row: &Item) -> Option<Answer> {
    let body = row.get(CANCELLATION).and_then(Value::as_str)?;
    Some(Answer {
        status: 202,
        body: body.to_owned(),
    })
}

fn asked(order: OrderPlaced) -> OrderCancellationRequested {
    OrderCancellationRequested {
        order_id: order.order_id,
        user_id: order.user_id,
        customer: order.customer,
        total: order.total,
        payment_intent_id: order.payment_intent_id,
    }
}

fn accepted(order_id: &OrderId, correlation_id: &str) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Accepted<'a> {
        order_id: &'a OrderId,
        correlation_id: &'a str,
        status: &'static str,
    }
    let accepted = Accepted {
        order_id,
        correlation_id,
        status: "cancellation requested",
    };
    Answer {
        status: 202,
        // Strings: nothing that serde_json could refuse.
        body: serde_json::to_string(&accepted).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Duration;

    use dashpot::{Envelope, Row};
    use dashpot_testing::MemoryStore;
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::doubles::{FakeProvider, Stepwise, advance};

    const ORDER: &str = "order-1";

    async fn store() -> MemoryStore {
        let store = MemoryStore::new();
        let placed = json!({"orderId": ORDER, "userId": "ada", "customer": {"email": "ada@example.com"},
            "total": {"amount": 100, "currency": "EUR"}, "items": [{"sku": "chair", "quantity": 1}], "paymentIntentId": "pi_1"});
        let row = Row::new(order_key(&ORDER.parse().unwrap()))
            .set("userId", "ada")
            .set("placed", placed.to_string());
        store.commit(&[Write::create(row)]).await.unwrap();
        store
    }

    fn request(body: impl Into<Vec<u8>>) -> Request {
        Request {
            idempotency_key: None,
            correlation_id: "req_1".to_owned(),
            traceparent: None,
            body: body.into(),
            now: 1_800_000_000_000,
            deadline: Instant::now() + Duration::from_secs(5),
        }
    }

    async fn ask(store: &MemoryStore, order: &str, body: &str) -> Reply {
        let provider = FakeProvider::default();
        let bound = Duration::from_mins(15);
        let checkout = Checkout::new(Stepwise(store), Stepwise(&provider), bound);
        checkout.cancel(order, &request(body)).await
    }

    #[tokio::test]
    async fn an_orders_own_customer_asks_and_is_asked_for_once() {
        let store = store().await;
        let first = ask(&store, ORDER, r#"{"userId":"ada"}"#).await;
        assert_eq!(first.answer.status, 202);
        assert_eq!(first.order_id, Some(ORDER.parse().unwrap()));
        assert_eq!(ask(&store, ORDER, r#"{"userId":"ada"}"#).await, first);
        assert_eq!(store.said(), ["order.cancellation_requested"]);
        let row = store.rows("outbox#").pop().unwrap();
        let event: Envelope<OrderCancellationRequested> =
            serde_json::from_str(row["body"].as_str().unwrap()).unwrap();
        assert_eq!(event.metadata.correlation_id, "req_1");
        assert_eq!(event.metadata.subject.as_deref(), Some(ORDER));
        assert_eq!(event.payload.payment_intent_id.unwrap().as_str(), "pi_1");
        assert!(event.payload.customer.is_some());
    }

    #[tokio::test]
    async fn strangers_and_orders_that_are_not_there_get_the_same_answer() {
        let store = store().await;
        let no = ask(&store, ORDER, r#"{"userId":"bob"}"#).await;
        assert_eq!((no.answer.status, no.order_id.clone()), (404, None));
        for order in ["order-2", "", "a#b", "..", &"x".repeat(10_000)] {
            assert_eq!(
                ask(&store, order, r#"{"userId":"ada"}"#).await,
                no,
                "{order}"
            );
        }
        assert!(store.said().is_empty());
    }

    #[tokio::test]
    async fn a_body_that_does_not_say_whose_order_it_is_is_refused_by_the_name_of_the_field() {
        let store = store().await;
        for (body, field) in [
            ("{}", "\"field\":\"userId\""),
            (r#"{"userId":7}"#, "\"field\":\"userId\""),
            (r#"{"userId":"a#b"}"#, "\"field\":\"userId\""),
            ("", "malformed-request"),
            (r#"["ada"]"#, "malformed-request"),
        ] {
            let reply = ask(&store, ORDER, body).await;
            assert_eq!(reply.answer.status, 400, "{body}");
            assert!(reply.answer.body.contains(field), "{}", reply.answer.body);
        }
        let reply = ask(&store, ORDER, &" ".repeat(LARGEST_BODY + 1)).await;
        assert_eq!(reply.answer.status, 413);
        assert!(store.said().is_empty());
    }

    /// Wherever a request ends, the next one brings it to its end, and the event is said once.
    #[tokio::test]
    async fn a_request_that_ends_anywhere_asks_once_when_it_is_repeated() {
        for steps in 0.. {
            let (store, provider) = (store().await, FakeProvider::default());
            let checkout = Checkout::new(
                Stepwise(&store),
                Stepwise(&provider),
                Duration::from_mins(15),
            );
            let request = request(r#"{"userId":"ada"}"#);
            let mut first = Box::pin(checkout.cancel(ORDER, &request));
            let ended = advance(first.as_mut(), steps).await;
            drop(first);
            let again = ask(&store, ORDER, r#"{"userId":"ada"}"#).await;
            assert_eq!(again.answer.status, 202, "after {steps} steps");
            assert_eq!(
                store.said(),
                ["order.cancellation_requested"],
                "after {steps} steps"
            );
            if ended.is_some() {
                assert!(steps > 1);
                return;
            }
        }
    }
}
