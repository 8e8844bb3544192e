//! From API Gateway's event (HTTP API, payload 2.0) to an order id, and the answer back.

use std::convert::Infallible;
use std::time::Duration;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use aws_lambda_events::http::{HeaderMap, HeaderName, HeaderValue};
use dashpot::{Invocation, Store, correlation_id};
use serde_json::json;
use tokio::time::Instant;

use crate::handler::{Orders, Question, Told};
use crate::problem::Problem;

/// How much of an invocation's time is kept for the answer's way back.
const TIME_TO_ANSWER: Duration = Duration::from_millis(300);

/// In how many seconds a request is worth another try when the journal could not be read.
const RETRY_AFTER_SECONDS: u64 = 2;

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Polls the Lambda Runtime API and answers every request, until the process ends.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run<S: Store>(orders: Orders<S>) -> Result<(), lambda_runtime::Error> {
    dashpot::serve(async |event: &str, invocation: &Invocation| {
        Ok::<_, Infallible>(answer(&orders, event, invocation).await)
    })
    .await
}

/// Answers one event. Whatever comes in, an answer goes out.
pub async fn answer<S: Store>(
    orders: &Orders<S>,
    event: &str,
    invocation: &Invocation,
) -> ApiGatewayV2httpResponse {
    let started = Instant::now();
    let request = strict_json::from_str::<ApiGatewayV2httpRequest>(event).unwrap_or_default();
    let from_client = request.headers.get(CORRELATION_ID);
    let from_client = from_client.and_then(|id| id.to_str().ok());
    let correlation_id = correlation_id(from_client, invocation.clock.now());
    let outcome = match question(&request) {
        Ok(asked) => {
            let end = invocation.deadline;
            let deadline = end.checked_sub(TIME_TO_ANSWER).unwrap_or(end);
            orders.show(asked, deadline).await
        }
        Err(problem) => Err(problem),
    };
    println!("{}", line(&outcome, &correlation_id, invocation, started));
    response(&outcome, &correlation_id)
}

/// An event that is none of an HTTP API's names no path, and so no order.
fn question(request: &ApiGatewayV2httpRequest) -> Result<Question<'_>, Problem> {
    let id = request.path_parameters.get("id").ok_or(Problem::NotFound)?;
    if request.request_context.http.method != "GET" {
        return Err(Problem::MethodNotAllowed);
    }
    let as_of = request.query_string_parameters.first("asOf");
    Ok(Question { id, as_of })
}

fn status(outcome: &Result<Told, Problem>) -> u16 {
    outcome.as_ref().map_or_else(Problem::status, |_| 200)
}

fn response(outcome: &Result<Told, Problem>, correlation_id: &str) -> ApiGatewayV2httpResponse {
    let (content, body) = match outcome {
        // Strings and numbers: nothing that serde_json could refuse.
        Ok(told) => (
            "application/json",
            serde_json::to_string(told).unwrap_or_default(),
        ),
        Err(problem) => ("application/problem+json", problem.body(correlation_id)),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(correlation_id) {
        headers.insert(CORRELATION_ID, id);
    }
    match outcome {
        Err(Problem::Unavailable(_)) => {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        Err(Problem::MethodNotAllowed) => {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        _ => {}
    }
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = status(outcome).into();
    response.headers = headers;
    response.body = Some(Body::Text(body));
    response
}

/// The line of a request, with CloudWatch's embedded metrics in it.
fn line(
    outcome: &Result<Told, Problem>,
    correlation_id: &str,
    invocation: &Invocation,
    started: Instant,
) -> String {
    let status = status(outcome);
    let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut line = json!({
        "level": if status >= 500 { "error" } else { "info" },
        "message": "request answered",
        "service": "orders",
        "request_id": invocation.request_id,
        "correlation_id": correlation_id,
        "status": status,
        "failed": u8::from(status >= 500),
        "duration_ms": took,
        "_aws": {
            "Timestamp": invocation.clock.now(),
            "CloudWatchMetrics": [{
                "Namespace": "Dashpot",
                "Dimensions": [["service"]],
                "Metrics": [
                    { "Name": "failed", "Unit": "Count" },
                    { "Name": "duration_ms", "Unit": "Milliseconds" },
                ],
            }],
        },
    });
    match outcome {
        Ok(told) => line["order_id"] = told.order.summary.order_id.as_str().into(),
        Err(Problem::Unavailable(cause)) => line["detail"] = cause.as_str().into(),
        Err(_) => {}
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use dashpot::{CommitError, Item, Key, Page, Query, Row, StoreError, Write};
    use dashpot_testing::MemoryStore;
    use serde_json::Value;

    use super::*;

    const GOOD: &str = include_str!("../../../events/orders/good.json");
    const ORDER: &str = "01a19b98-1dc0-7df5-bbfd-a3136ab315cb";

    /// A journal whose pages hold one row each, and which may be down.
    #[derive(Default)]
    struct Journal {
        rows: MemoryStore,
        state: State,
    }

    #[derive(Default, PartialEq)]
    enum State {
        #[default]
        Up,
        Down,
        Silent,
    }

    impl Store for Journal {
        async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
            self.rows.commit(writes).await
        }

        async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
            self.rows.get(keys).await
        }

        async fn query(&self, query: &Query) -> Result<Page, StoreError> {
            match self.state {
                State::Down => Err(StoreError("told to fail".into())),
                State::Silent => std::future::pending().await,
                State::Up => {
                    let query = Query {
                        limit: Some(1),
                        ..query.clone()
                    };
                    self.rows.query(&query).await
                }
            }
        }
    }

    impl Journal {
        async fn keep(&self, at: u64, event_type: &str, payload: &Value) {
            let id = format!("{event_type}-{at}");
            let body = json!({
                "type": event_type, "payload": payload,
                "metadata": { "id": id, "timestamp": at, "correlationId": "c", "version": 2,
                              "source": "checkout", "subject": ORDER },
            });
            let key = Key::of(format!("order#{ORDER}"), format!("{at:013}#{id}"));
            let row = Row::new(key).set("body", body.to_string());
            self.rows.commit(&[Write::create(row)]).await.unwrap();
        }
    }

    fn placed() -> Value {
        json!({
            "orderId": ORDER, "userId": "user_456", "customer": { "email": "ada@example.com" },
            "total": { "amount": 12_997, "currency": "EUR" }, "items": [{ "sku": "chair", "quantity": 2 }],
        })
    }

    async fn ask(journal: Journal, event: &str) -> (ApiGatewayV2httpResponse, Value) {
        let orders = Orders::new(journal);
        let invocation = Invocation {
            deadline: Instant::now() + TIME_TO_ANSWER + Duration::from_millis(100),
            ..Invocation::default()
        };
        let response = answer(&orders, event, &invocation).await;
        let Some(Body::Text(body)) = &response.body else {
            panic!("no body");
        };
        let body = serde_json::from_str(body).unwrap();
        (response, body)
    }

    fn header<'a>(response: &'a ApiGatewayV2httpResponse, name: &str) -> &'a str {
        response.headers[name].to_str().unwrap()
    }

    #[tokio::test]
    async fn an_order_is_told_from_all_pages_and_nothing_personal_with_it() {
        let journal = Journal::default();
        journal.keep(1, "order.placed", &placed()).await;
        journal.keep(2, "stock.reserved", &placed()).await;
        journal
            .keep(3, "comet.seen", &json!(["ada@example.com"]))
            .await;
        let (response, body) = ask(journal, GOOD).await;
        assert_eq!(response.status_code, 200);
        assert_eq!(header(&response, "content-type"), "application/json");
        let history = ["order.placed", "stock.reserved", "comet.seen"]
            .into_iter()
            .zip(1..)
            .map(|(name, at)| {
                json!({ "id": format!("{name}-{at}"), "type": name, "at": at, "source": "checkout",
                        "causationId": null })
            })
            .collect::<Vec<_>>();
        let expected = json!({
            "orderId": ORDER, "userId": "user_456", "total": { "amount": 12_997, "currency": "EUR" },
            "state": "reserved", "cancellation": "none", "money": {}, "placedAt": 1,
            "last": { "at": 3, "id": "comet.seen-3", "type": "comet.seen" },
            "items": [{ "sku": "chair", "quantity": 2 }], "history": history,
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn an_order_that_the_journal_does_not_know_is_404() {
        let (response, body) = ask(Journal::default(), GOOD).await;
        assert_eq!((response.status_code, &body["status"]), (404, &json!(404)));
        assert_eq!(
            header(&response, "content-type"),
            "application/problem+json"
        );
        assert_eq!(body["type"], "urn:dashpot:problem:unknown-order");
    }

    fn as_of(moment: &str) -> String {
        let asked =
            format!(r#""queryStringParameters": {{ "asOf": "{moment}" }}, "pathParameters""#);
        GOOD.replacen(r#""pathParameters""#, &asked, 1)
    }

    #[tokio::test]
    async fn an_order_is_told_as_it_was_at_any_moment() {
        let known = async || {
            let journal = Journal::default();
            journal.keep(1_000, "order.placed", &placed()).await;
            journal.keep(2_000, "stock.reserved", &placed()).await;
            journal
        };
        for (moment, state, events) in [
            ("1970-01-01T00:00:01Z", "placed", 1),
            ("1999", "placed", 1),
            ("1970-01-01T01:00:02+01:00", "reserved", 2),
        ] {
            let (_, body) = ask(known().await, &as_of(moment)).await;
            assert_eq!(body["state"], state, "{moment}");
            assert_eq!(body["history"].as_array().unwrap().len(), events);
            assert!(body["asOf"].is_u64());
        }
        let (response, body) = ask(known().await, &as_of("999")).await;
        assert_eq!((response.status_code, &body["status"]), (404, &json!(404)));
        let (response, body) = ask(known().await, &as_of("yesterday")).await;
        assert_eq!(
            (response.status_code, &body["field"]),
            (400, &json!("asOf"))
        );
    }

    #[tokio::test]
    async fn what_is_no_order_id_is_400_and_reads_nothing() {
        let journal = Journal {
            state: State::Down,
            ..Journal::default()
        };
        let event = include_str!("../../../events/orders/malformed.json");
        let (response, body) = ask(journal, event).await;
        assert_eq!((response.status_code, &body["field"]), (400, &json!("id")));
    }

    #[tokio::test]
    async fn another_method_or_path_is_refused() {
        let (response, _) = ask(Journal::default(), &GOOD.replace("\"GET\"", "\"DELETE\"")).await;
        assert_eq!(response.status_code, 405);
        assert_eq!(header(&response, "allow"), "GET");
        let (response, _) = ask(Journal::default(), &GOOD.replace("pathParameters", "x")).await;
        assert_eq!(response.status_code, 404);
        for event in ["{}", "[]", "null"] {
            let (response, _) = ask(Journal::default(), event).await;
            assert_eq!(response.status_code, 404, "{event}");
        }
    }

    #[tokio::test]
    async fn a_journal_that_fails_or_is_silent_is_503_and_the_cause_stays_inside() {
        for state in [State::Down, State::Silent] {
            let journal = Journal {
                state,
                ..Journal::default()
            };
            let (response, body) = ask(journal, GOOD).await;
            assert_eq!(response.status_code, 503);
            assert_eq!(header(&response, "retry-after"), "2");
            assert!(!body.to_string().contains("told to fail"));
        }
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_is_not_passed_over() {
        let journal = Journal::default();
        journal.keep(1, "order.placed", &placed()).await;
        let broken = Row::new(Key::of(format!("order#{ORDER}"), "x")).set("body", "?");
        journal.rows.commit(&[Write::create(broken)]).await.unwrap();
        assert_eq!(ask(journal, GOOD).await.0.status_code, 503);
    }

    #[tokio::test]
    async fn a_sane_correlation_id_is_answered_and_any_other_replaced() {
        let event = |id: &str| {
            let headers = format!(r#""headers": {{ "x-correlation-id": "{id}","#);
            GOOD.replacen(r#""headers": {"#, &headers, 1)
        };
        let (response, body) = ask(Journal::default(), &event("req_789")).await;
        assert_eq!(header(&response, "x-correlation-id"), "req_789");
        assert_eq!(body["correlationId"], "req_789");
        for id in ["", "a b", &"x".repeat(129)] {
            let (response, _) = ask(Journal::default(), &event(id)).await;
            assert_eq!(header(&response, "x-correlation-id").len(), 36, "{id}");
        }
    }
}
