//! What the sandbox shows, and how it is told to misbehave.

use payment_gateway::Gateway;
use serde_json::{Value, json};

use crate::server::{Sandbox, authorisation};

#[tokio::test]
async fn the_ledger_shows_each_payment_and_each_call_on_it() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.hold("order-1").await.id;
    sandbox
        .stripe
        .capture(&id, "order-1/capture")
        .await
        .unwrap();
    sandbox.stripe.retrieve(&id).await.unwrap();
    let second = sandbox.hold("order-2").await.id;

    let mut ledger = sandbox.ledger().await;
    for payment in &mut ledger {
        for call in payment["calls"].as_array_mut().unwrap() {
            assert!(call["at"].take().as_u64().is_some());
        }
    }
    let call = |operation: &str, key: Value, acted: bool| {
        json!({
            "operation": operation, "idempotencyKey": key, "at": null,
            "httpStatus": 200, "replayed": false, "acted": acted,
        })
    };
    let expected = [
        json!({
            "id": id.as_str(), "orderId": "order-1", "paymentMethod": "pm_card_visa",
            "amount": 9999, "currency": "eur", "status": "succeeded",
            "amountReceived": 9999, "amountRefunded": 0,
            "calls": [
                call("create", json!("order-1"), true),
                call("capture", json!("order-1/capture"), true),
                call("retrieve", Value::Null, false),
            ],
        }),
        json!({
            "id": second.as_str(), "orderId": "order-2", "paymentMethod": "pm_card_visa",
            "amount": 9999, "currency": "eur", "status": "requires_capture",
            "amountReceived": 0, "amountRefunded": 0,
            "calls": [call("create", json!("order-2"), true)],
        }),
    ];
    assert_eq!(ledger, expected);
}

#[tokio::test]
async fn a_rule_applies_to_what_it_names_and_as_often_as_it_says() {
    let sandbox = Sandbox::start().await;
    sandbox
        .misbehave(json!({
            "operation": "create", "effect": { "fail": 429 }, "times": 2,
            "orderId": "order-1", "paymentMethod": "pm_card_visa",
        }))
        .await;
    sandbox.hold("order-2").await;
    let other_card = authorisation("order-1", "pm_card_mastercard");
    let same = authorisation("order-1", "pm_card_visa");
    assert!(sandbox.stripe.authorise(&same).await.is_err());
    assert_eq!(sandbox.get("/behaviour").await[0]["times"], 1);
    sandbox.stripe.authorise(&other_card).await.unwrap();
    // The key is taken by the other card now, but the rule comes first.
    assert!(sandbox.stripe.authorise(&same).await.is_err());
    assert_eq!(sandbox.get("/behaviour").await, json!([]));
}

#[tokio::test]
async fn a_rule_without_times_applies_until_it_is_dropped() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.hold("order-1").await.id;
    sandbox
        .misbehave(
            json!({ "operation": "retrieve", "effect": { "fail": 429 }, "orderId": "order-1" }),
        )
        .await;
    for _ in 0..3 {
        assert!(sandbox.stripe.retrieve(&id).await.is_err());
    }
    sandbox.behave().await;
    sandbox.stripe.retrieve(&id).await.unwrap();
}

#[tokio::test]
async fn a_rule_that_makes_no_sense_is_refused() {
    let sandbox = Sandbox::start().await;
    for rule in [
        json!({ "operation": "explode", "effect": { "refuse": true } }),
        json!({ "operation": "any", "effect": { "explode": true } }),
        json!({ "operation": "any", "effect": { "fail": 200 } }),
        json!({ "operation": "any" }),
        json!({ "operation": "any", "effect": { "refuse": true }, "time": 1 }),
    ] {
        let request = sandbox.http.post(format!("{}/behaviour", sandbox.url));
        let answer = request
            .body(json!([rule]).to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{rule}");
    }
    assert_eq!(sandbox.get("/behaviour").await, json!([]));
}

#[tokio::test]
async fn a_reset_forgets_payments_keys_and_rules() {
    let sandbox = Sandbox::start().await;
    let first = sandbox.hold("order-1").await;
    sandbox
        .misbehave(json!({ "operation": "any", "effect": { "refuse": true } }))
        .await;
    let reset = sandbox
        .http
        .post(format!("{}/reset", sandbox.url))
        .send()
        .await
        .unwrap();
    assert!(reset.status().is_success());
    assert!(sandbox.ledger().await.is_empty());
    assert_ne!(sandbox.hold("order-1").await.id, first.id);
}
