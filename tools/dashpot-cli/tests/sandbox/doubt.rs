//! A provider that is slow, fails, or loses its answers.

use std::time::Duration;

use payment_gateway::{Gateway, GatewayError, IntentStatus};
use serde_json::json;

use crate::server::{Sandbox, authorisation, order_id};

#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_repeat_brings_it() {
    let sandbox = Sandbox::start().await;
    sandbox
        .misbehave(json!({ "operation": "any", "effect": { "loseAnswer": true }, "times": 1 }))
        .await;
    let authorisation = authorisation("order-1", "pm_card_visa");
    let error = sandbox.stripe.authorise(&authorisation).await.unwrap_err();
    assert!(matches!(error, GatewayError::Unknown(_)), "{error:?}");
    let held = sandbox.stripe.authorise(&authorisation).await.unwrap();
    assert_eq!(held.status, IntentStatus::RequiresCapture);

    let calls = sandbox.calls().await;
    assert_eq!(calls.len(), 2);
    assert_eq!(
        (&calls[0]["httpStatus"], &calls[0]["acted"]),
        (&json!("lost"), &json!(true))
    );
    assert_eq!(
        (&calls[1]["httpStatus"], &calls[1]["replayed"]),
        (&json!(200), &json!(true))
    );
}

#[tokio::test]
async fn every_operation_survives_the_loss_of_its_answer() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.hold("order-1").await.id;
    let other = sandbox.hold("order-2").await.id;
    let lost = json!({ "operation": "any", "effect": { "loseAnswer": true }, "times": 1 });

    sandbox.misbehave(lost.clone()).await;
    let error = sandbox.stripe.capture(&id, "capture").await.unwrap_err();
    assert!(matches!(error, GatewayError::Unknown(_)), "{error:?}");
    assert_eq!(
        sandbox
            .stripe
            .capture(&id, "capture")
            .await
            .unwrap()
            .amount_received,
        9999
    );

    sandbox.misbehave(lost.clone()).await;
    let error = sandbox.stripe.refund(&id, "refund").await.unwrap_err();
    assert!(matches!(error, GatewayError::Unknown(_)), "{error:?}");
    assert_eq!(
        sandbox.stripe.refund(&id, "refund").await.unwrap().amount,
        9999
    );

    sandbox.misbehave(lost).await;
    let error = sandbox.stripe.cancel(&other, "cancel").await.unwrap_err();
    assert!(matches!(error, GatewayError::Unknown(_)), "{error:?}");
    assert_eq!(
        sandbox.stripe.retrieve(&other).await.unwrap().status,
        IntentStatus::Canceled
    );
}

#[tokio::test]
async fn a_refused_connection_is_unknown_to_the_client_though_nothing_was_done() {
    let sandbox = Sandbox::start().await;
    sandbox
        .misbehave(json!({ "operation": "create", "effect": { "refuse": true }, "times": 1 }))
        .await;
    let authorisation = authorisation("order-1", "pm_card_visa");
    let error = sandbox.stripe.authorise(&authorisation).await.unwrap_err();
    assert!(matches!(error, GatewayError::Unknown(_)), "{error:?}");
    assert!(sandbox.ledger().await.is_empty());
    sandbox.stripe.authorise(&authorisation).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_unknown_and_yet_was_given() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.hold("order-1").await.id;
    sandbox
        .misbehave(json!({ "operation": "capture", "effect": { "delayMs": 1500 }, "times": 1 }))
        .await;
    let hasty = sandbox.hasty(Duration::from_millis(50));
    let error = hasty.capture(&id, "capture").await.unwrap_err();
    assert!(matches!(error, GatewayError::Unknown(_)), "{error:?}");
    // Who asks again while the first is at work is told so.
    let error = sandbox.stripe.capture(&id, "capture").await.unwrap_err();
    assert!(matches!(error, GatewayError::Unavailable(_)), "{error:?}");
    let done = async {
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        loop {
            pause.tick().await;
            match sandbox.stripe.capture(&id, "capture").await {
                Err(GatewayError::Unavailable(_)) => {}
                answer => break answer.unwrap(),
            }
        }
    };
    let captured = tokio::time::timeout(Duration::from_secs(10), done)
        .await
        .unwrap();
    assert_eq!(captured.amount_received, 9999);
}

#[tokio::test]
async fn of_many_at_once_under_one_key_one_acts() {
    let sandbox = Sandbox::start().await;
    sandbox
        .misbehave(json!({ "operation": "create", "effect": { "delayMs": 50 }, "times": 1 }))
        .await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let stripe = sandbox.stripe.clone();
        calls.spawn(async move {
            stripe
                .authorise(&authorisation("order-1", "pm_card_visa"))
                .await
        });
    }
    let answers = calls.join_all().await;
    let held: Vec<_> = answers.iter().flatten().collect();
    assert!(!held.is_empty());
    for answer in &answers {
        match answer {
            Ok(intent) => assert_eq!(intent, held[0]),
            Err(error) => assert!(matches!(error, GatewayError::Unavailable(_)), "{error:?}"),
        }
    }
    assert_eq!(sandbox.ledger().await.len(), 1);
}

#[tokio::test]
async fn a_server_error_is_unknown_and_is_replayed_until_someone_looks() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.hold("order-1").await.id;
    sandbox
        .misbehave(json!({ "operation": "capture", "effect": { "fail": 500 }, "times": 1 }))
        .await;
    let first = sandbox.stripe.capture(&id, "capture").await.unwrap_err();
    assert!(matches!(first, GatewayError::Unknown(_)), "{first:?}");
    let again = sandbox.stripe.capture(&id, "capture").await.unwrap_err();
    assert!(matches!(again, GatewayError::Replayed(_)), "{again:?}");
    let looked = sandbox.stripe.retrieve(&id).await.unwrap();
    assert_eq!(looked.status, IntentStatus::RequiresCapture);
    sandbox.stripe.capture(&id, "capture#2").await.unwrap();
}

#[tokio::test]
async fn a_hold_behind_a_server_error_is_found_by_its_order() {
    let sandbox = Sandbox::start().await;
    let failing = json!({ "fail": 503, "acts": true });
    sandbox
        .misbehave(json!({ "operation": "create", "effect": failing, "times": 1 }))
        .await;
    let authorisation = authorisation("order-1", "pm_card_visa");
    let first = sandbox.stripe.authorise(&authorisation).await.unwrap_err();
    assert!(matches!(first, GatewayError::Unknown(_)), "{first:?}");
    let again = sandbox.stripe.authorise(&authorisation).await.unwrap_err();
    assert!(matches!(again, GatewayError::Replayed(_)), "{again:?}");
    let found = sandbox.stripe.find(&order_id("order-1")).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].status, IntentStatus::RequiresCapture);
    let calls = sandbox.calls().await;
    let replayed: Vec<_> = calls.iter().map(|call| call["replayed"] == true).collect();
    assert_eq!(replayed, [false, true, false], "{calls:#?}");
}

#[tokio::test]
async fn too_many_calls_and_a_wrong_key_did_nothing_and_use_up_no_key() {
    let sandbox = Sandbox::start().await;
    let authorisation = authorisation("order-1", "pm_card_visa");
    for status in [429, 401, 403, 409] {
        sandbox
            .misbehave(json!({ "operation": "create", "effect": { "fail": status }, "times": 1 }))
            .await;
        let error = sandbox.stripe.authorise(&authorisation).await.unwrap_err();
        match status {
            429 => assert!(matches!(error, GatewayError::RateLimited), "{error:?}"),
            409 => assert!(matches!(error, GatewayError::Unavailable(_)), "{error:?}"),
            _ => assert!(
                matches!(error, GatewayError::Unauthorised { .. }),
                "{error:?}"
            ),
        }
    }
    assert!(sandbox.ledger().await.is_empty());
    sandbox.stripe.authorise(&authorisation).await.unwrap();
}

#[tokio::test]
async fn a_decline_on_demand_is_a_decline() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.hold("order-1").await.id;
    sandbox
        .misbehave(json!({ "operation": "capture", "effect": { "fail": 402 }, "times": 1 }))
        .await;
    for _ in 0..2 {
        let error = sandbox.stripe.capture(&id, "capture").await.unwrap_err();
        assert!(matches!(error, GatewayError::Declined { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unavailable() {
    let sandbox = Sandbox::start().await;
    let stripe = sandbox.stripe.clone();
    let health = format!("{}/health", sandbox.url);
    let http = sandbox.http.clone();
    drop(sandbox);
    while http.get(&health).send().await.is_ok() {
        tokio::task::yield_now().await;
    }
    let error = stripe
        .authorise(&authorisation("order-1", "pm_card_visa"))
        .await
        .unwrap_err();
    assert!(matches!(error, GatewayError::Unavailable(_)), "{error:?}");
}
