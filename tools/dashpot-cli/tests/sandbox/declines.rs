//! Banks that say no.

use payment_gateway::{Gateway, GatewayError, IntentStatus};

use crate::server::{Sandbox, authorisation};

#[tokio::test]
async fn each_declined_card_says_why() {
    let sandbox = Sandbox::start().await;
    for (card, code, decline_code) in [
        (
            "pm_card_chargeDeclined",
            "card_declined",
            Some("generic_decline"),
        ),
        (
            "pm_card_visa_chargeDeclined",
            "card_declined",
            Some("generic_decline"),
        ),
        (
            "pm_card_chargeDeclinedInsufficientFunds",
            "card_declined",
            Some("insufficient_funds"),
        ),
        (
            "pm_card_visa_chargeDeclinedLostCard",
            "card_declined",
            Some("lost_card"),
        ),
        (
            "pm_card_visa_chargeDeclinedStolenCard",
            "card_declined",
            Some("stolen_card"),
        ),
        ("pm_card_radarBlock", "card_declined", Some("fraudulent")),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        (
            "pm_card_chargeDeclinedProcessingError",
            "processing_error",
            None,
        ),
        (
            "pm_card_authenticationRequired",
            "authentication_required",
            Some("authentication_required"),
        ),
    ] {
        let error = sandbox
            .stripe
            .authorise(&authorisation(card, card))
            .await
            .unwrap_err();
        let GatewayError::Declined {
            code: said,
            decline_code: why,
            intent: Some(id),
        } = error
        else {
            panic!("{card}: {error:?} is no decline of a payment")
        };
        assert_eq!(
            (said.as_str(), why.as_deref()),
            (code, decline_code),
            "{card}"
        );
        let declined = sandbox.stripe.retrieve(&id).await.unwrap();
        assert_eq!(declined.status, IntentStatus::RequiresPaymentMethod);
        assert_eq!(declined.amount_received, 0);
    }
}

#[tokio::test]
async fn a_decline_is_the_same_when_asked_for_again() {
    let sandbox = Sandbox::start().await;
    let authorisation = authorisation("order-1", "pm_card_visa_chargeDeclined");
    let first = sandbox.stripe.authorise(&authorisation).await.unwrap_err();
    let again = sandbox.stripe.authorise(&authorisation).await.unwrap_err();
    assert_eq!(format!("{first:?}"), format!("{again:?}"));
    assert_eq!(sandbox.calls().await.len(), 2);
}

#[tokio::test]
async fn a_capture_can_be_declined_and_then_nothing_is_held() {
    let sandbox = Sandbox::start().await;
    let authorisation = authorisation("order-1", "pm_card_dashpot_captureRefused");
    let held = sandbox.stripe.authorise(&authorisation).await.unwrap();
    assert_eq!(held.status, IntentStatus::RequiresCapture);
    let error = sandbox
        .stripe
        .capture(&held.id, "capture")
        .await
        .unwrap_err();
    assert!(
        matches!(&error, GatewayError::Declined { intent, .. } if intent.as_ref() == Some(&held.id)),
        "{error:?}"
    );
    let refused = sandbox.stripe.retrieve(&held.id).await.unwrap();
    assert_eq!(refused.status, IntentStatus::RequiresPaymentMethod);
    assert_eq!(refused.amount_received, 0);
    let voided = sandbox.stripe.cancel(&held.id, "cancel").await.unwrap();
    assert_eq!(voided.status, IntentStatus::Canceled);
}
