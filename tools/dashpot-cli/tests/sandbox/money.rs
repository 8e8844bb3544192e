//! Money that moves as it should.

use payment_gateway::{
    Currency, Gateway, GatewayError, Intent, IntentId, IntentStatus, RefundStatus,
};

use crate::server::{Sandbox, authorisation, order_id};

#[tokio::test]
async fn a_hold_is_captured_and_refunded() {
    let sandbox = Sandbox::start().await;
    let held = sandbox.hold("order-1").await;
    let expected = Intent {
        id: held.id.clone(),
        status: IntentStatus::RequiresCapture,
        amount: 9999,
        currency: Currency::parse("EUR").unwrap(),
        amount_received: 0,
        amount_refunded: 0,
        order_id: Some(order_id("order-1")),
    };
    assert_eq!(held, expected);

    let captured = sandbox
        .stripe
        .capture(&held.id, "order-1/capture")
        .await
        .unwrap();
    assert_eq!(
        captured,
        Intent {
            status: IntentStatus::Succeeded,
            amount_received: 9999,
            ..expected.clone()
        }
    );

    let refund = sandbox
        .stripe
        .refund(&held.id, "order-1/refund")
        .await
        .unwrap();
    assert_eq!(
        (refund.amount, refund.status),
        (9999, RefundStatus::Succeeded)
    );
    assert_eq!(refund.intent, held.id);

    let refunded = sandbox.stripe.retrieve(&held.id).await.unwrap();
    assert_eq!(
        refunded,
        Intent {
            amount_refunded: 9999,
            ..captured
        }
    );
}

#[tokio::test]
async fn a_hold_that_was_let_go_of_took_nothing() {
    let sandbox = Sandbox::start().await;
    let held = sandbox.hold("order-1").await;
    let voided = sandbox
        .stripe
        .cancel(&held.id, "order-1/cancel")
        .await
        .unwrap();
    assert_eq!(
        voided,
        Intent {
            status: IntentStatus::Canceled,
            ..held
        }
    );
}

#[tokio::test]
async fn a_payment_is_found_by_its_order_and_by_no_other() {
    let sandbox = Sandbox::start().await;
    let held = sandbox.hold("order-1").await;
    sandbox.hold("order-2").await;
    assert_eq!(
        sandbox.stripe.find(&order_id("order-1")).await.unwrap(),
        [held]
    );
    assert_eq!(sandbox.stripe.find(&order_id("order-3")).await.unwrap(), []);
}

#[tokio::test]
async fn a_repeat_brings_the_first_answer_and_does_nothing() {
    let sandbox = Sandbox::start().await;
    let held = sandbox.hold("order-1").await;
    let captured = sandbox
        .stripe
        .capture(&held.id, "order-1/capture")
        .await
        .unwrap();
    assert_eq!(
        sandbox
            .stripe
            .capture(&held.id, "order-1/capture")
            .await
            .unwrap(),
        captured
    );
    let refund = sandbox
        .stripe
        .refund(&held.id, "order-1/refund")
        .await
        .unwrap();
    assert_eq!(
        sandbox
            .stripe
            .refund(&held.id, "order-1/refund")
            .await
            .unwrap(),
        refund
    );
    // The first answer, not the present state.
    assert_eq!(sandbox.hold("order-1").await, held);

    let calls = sandbox.calls().await;
    let acted = calls.iter().filter(|call| call["acted"] == true).count();
    let replayed = calls.iter().filter(|call| call["replayed"] == true).count();
    assert_eq!((acted, replayed), (3, 3), "{calls:#?}");
}

/// The payment's status in a refusal of the kind `Invalid`.
fn refused(error: GatewayError, expected: Option<&str>) -> Option<IntentStatus> {
    let GatewayError::Invalid {
        code,
        intent_status,
        ..
    } = error
    else {
        panic!("{error:?} is not invalid")
    };
    assert_eq!(code.as_deref(), expected);
    intent_status
}

#[tokio::test]
async fn what_is_captured_is_not_captured_or_cancelled_again() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.hold("order-1").await.id;
    sandbox.stripe.capture(&id, "capture").await.unwrap();
    for error in [
        sandbox
            .stripe
            .capture(&id, "capture again")
            .await
            .unwrap_err(),
        sandbox.stripe.cancel(&id, "cancel").await.unwrap_err(),
    ] {
        let status = refused(error, Some("payment_intent_unexpected_state"));
        assert_eq!(status, Some(IntentStatus::Succeeded));
    }
}

#[tokio::test]
async fn what_was_let_go_of_is_not_captured_cancelled_or_refunded() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.hold("order-1").await.id;
    sandbox.stripe.cancel(&id, "cancel").await.unwrap();
    for error in [
        sandbox.stripe.capture(&id, "capture").await.unwrap_err(),
        sandbox
            .stripe
            .cancel(&id, "cancel again")
            .await
            .unwrap_err(),
    ] {
        let status = refused(error, Some("payment_intent_unexpected_state"));
        assert_eq!(status, Some(IntentStatus::Canceled));
    }
    refused(
        sandbox.stripe.refund(&id, "refund").await.unwrap_err(),
        None,
    );
}

#[tokio::test]
async fn no_more_is_refunded_than_was_captured() {
    let sandbox = Sandbox::start().await;
    let id = sandbox.hold("order-1").await.id;
    refused(
        sandbox.stripe.refund(&id, "too early").await.unwrap_err(),
        None,
    );
    sandbox.stripe.capture(&id, "capture").await.unwrap();
    sandbox.stripe.refund(&id, "refund").await.unwrap();
    let error = sandbox
        .stripe
        .refund(&id, "refund again")
        .await
        .unwrap_err();
    refused(error, Some("charge_already_refunded"));
    assert_eq!(sandbox.ledger().await[0]["amountRefunded"], 9999);
}

#[tokio::test]
async fn an_unknown_payment_and_an_unknown_card_are_missing() {
    let sandbox = Sandbox::start().await;
    let id = IntentId::parse("pi_nonesuch").unwrap();
    let card = authorisation("order-1", "pm_nonesuch");
    for error in [
        sandbox.stripe.retrieve(&id).await.unwrap_err(),
        sandbox.stripe.capture(&id, "capture").await.unwrap_err(),
        sandbox.stripe.cancel(&id, "cancel").await.unwrap_err(),
        sandbox.stripe.refund(&id, "refund").await.unwrap_err(),
        sandbox.stripe.authorise(&card).await.unwrap_err(),
    ] {
        refused(error, Some("resource_missing"));
    }
    assert!(sandbox.ledger().await.is_empty());
}

#[tokio::test]
async fn a_key_serves_one_request_only() {
    let sandbox = Sandbox::start().await;
    let held = sandbox.hold("order-1").await;
    let mut dearer = authorisation("order-1", "pm_card_visa");
    dearer.amount.minor_units += 1;
    refused(sandbox.stripe.authorise(&dearer).await.unwrap_err(), None);
    refused(
        sandbox
            .stripe
            .capture(&held.id, "order-1")
            .await
            .unwrap_err(),
        None,
    );
    assert_eq!(sandbox.stripe.retrieve(&held.id).await.unwrap(), held);
}

#[tokio::test]
async fn amounts_that_stripe_refuses_are_refused_and_use_up_no_key() {
    let sandbox = Sandbox::start().await;
    let mut authorisation = authorisation("order-1", "pm_card_visa");
    for (amount, code) in [
        (0, "parameter_invalid_integer"),
        (100_000_000, "amount_too_large"),
    ] {
        authorisation.amount.minor_units = amount;
        refused(
            sandbox.stripe.authorise(&authorisation).await.unwrap_err(),
            Some(code),
        );
    }
    authorisation.amount.minor_units = 99_999_999;
    sandbox.stripe.authorise(&authorisation).await.unwrap();
}
