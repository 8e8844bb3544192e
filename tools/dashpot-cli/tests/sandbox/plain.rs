//! What Stripe's own examples send with curl.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::server::Sandbox;

const HOLD: &str =
    "amount=2000&currency=eur&payment_method=pm_card_visa&capture_method=manual&confirm=true";

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (
        status,
        serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
    )
}

#[tokio::test]
async fn the_key_may_be_the_user_of_basic_authentication() {
    let sandbox = Sandbox::start().await;
    let url = format!("{}/v1/payment_intents", sandbox.url);
    let request = sandbox
        .http
        .post(&url)
        .basic_auth("sk_test_curl", Some(""))
        .body(HOLD);
    let (status, intent) = answer(request).await;
    assert_eq!(
        (status.as_u16(), &intent["status"]),
        (200, &Value::from("requires_capture"))
    );
    // Not asked to expand it, Stripe names the charge by its id.
    assert!(intent["latest_charge"].is_string());
}

#[tokio::test]
async fn without_a_test_key_nothing_is_done() {
    let sandbox = Sandbox::start().await;
    let post = || {
        sandbox
            .http
            .post(format!("{}/v1/payment_intents", sandbox.url))
            .body(HOLD)
    };
    for request in [
        post(),
        post().bearer_auth("sk_live_curl"),
        post().basic_auth("pk_test_curl", Some("")),
        post().header("authorization", "Basic ?"),
    ] {
        let (status, body) = answer(request).await;
        assert_eq!(
            (status.as_u16(), &body["error"]["type"]),
            (401, &Value::from("invalid_request_error"))
        );
    }
    assert!(sandbox.ledger().await.is_empty());
}

#[tokio::test]
async fn fields_that_are_missing_wrong_or_unknown_are_named() {
    let sandbox = Sandbox::start().await;
    for (body, code, param) in [
        (
            HOLD.replace("amount=2000&", ""),
            "parameter_missing",
            "amount",
        ),
        (
            HOLD.replace("2000", "-1"),
            "parameter_invalid_integer",
            "amount",
        ),
        (
            HOLD.replace("2000", "20.00"),
            "parameter_invalid_integer",
            "amount",
        ),
        (
            HOLD.replace("&payment_method=pm_card_visa", ""),
            "parameter_missing",
            "payment_method",
        ),
        (format!("{HOLD}&amuont=1"), "parameter_unknown", "amuont"),
    ] {
        let url = format!("{}/v1/payment_intents", sandbox.url);
        let request = sandbox
            .http
            .post(url)
            .bearer_auth("sk_test_curl")
            .body(body);
        let (status, body) = answer(request).await;
        let error = &body["error"];
        assert_eq!(
            (status.as_u16(), &error["code"]),
            (400, &Value::from(code)),
            "{body}"
        );
        assert_eq!(error["param"], param);
    }
    assert!(sandbox.ledger().await.is_empty());
}

#[tokio::test]
async fn part_of_what_was_captured_can_be_refunded_and_no_more_than_all() {
    let sandbox = Sandbox::start().await;
    let post = |path: &str, body: String| {
        let url = format!("{}/v1/{path}", sandbox.url);
        answer(
            sandbox
                .http
                .post(url)
                .bearer_auth("sk_test_curl")
                .body(body),
        )
    };
    let (_, intent) = post("payment_intents", HOLD.to_owned()).await;
    let id = intent["id"].as_str().unwrap();
    post(&format!("payment_intents/{id}/capture"), String::new()).await;
    for (amount, expected) in [(1500, 200), (501, 400), (500, 200), (1, 400)] {
        let refund = format!("payment_intent={id}&amount={amount}");
        assert_eq!(
            post("refunds", refund).await.0.as_u16(),
            expected,
            "{amount}"
        );
    }
    assert_eq!(sandbox.ledger().await[0]["amountRefunded"], 2000);
}

#[tokio::test]
async fn a_replayed_answer_says_so() {
    let sandbox = Sandbox::start().await;
    let url = format!("{}/v1/payment_intents", sandbox.url);
    for replayed in [false, true] {
        let request = sandbox
            .http
            .post(&url)
            .bearer_auth("sk_test_curl")
            .body(HOLD);
        let answer = request
            .header("idempotency-key", "one")
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.headers().contains_key("idempotent-replayed"),
            replayed
        );
        assert!(answer.headers().contains_key("request-id"));
    }
}

#[tokio::test]
async fn what_is_no_endpoint_is_not_found() {
    let sandbox = Sandbox::start().await;
    for path in ["/v1/charges", "/v1/payment_intents", "/elsewhere", "/"] {
        let request = sandbox
            .http
            .get(format!("{}{path}", sandbox.url))
            .bearer_auth("sk_test_curl");
        assert_eq!(answer(request).await.0.as_u16(), 404, "{path}");
    }
    assert_eq!(sandbox.get("/health").await["status"], "ok");
}
