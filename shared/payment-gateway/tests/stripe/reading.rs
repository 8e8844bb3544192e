//! How answers, and their absence, are read.

use std::time::Duration;

use payment_gateway::{
    Currency, Gateway, GatewayError, Intent, IntentStatus, OrderId, Refund, RefundId, RefundStatus,
    SecretKey, Stripe,
};
use tokio::net::TcpListener;

use crate::loopback::{answering, client, serving};
use crate::{INTENT, REFUND, intent_id};

#[tokio::test]
async fn a_payment_says_what_was_captured_and_refunded_and_for_which_order() {
    let (stripe, _served) = answering(200, INTENT).await;
    let expected = Intent {
        id: intent_id(),
        status: IntentStatus::Succeeded,
        amount: 9999,
        currency: Currency::parse("EUR").unwrap(),
        amount_received: 9999,
        amount_refunded: 2500,
        order_id: Some(OrderId::parse("order-1").unwrap()),
    };
    assert_eq!(stripe.retrieve(&intent_id()).await.unwrap(), expected);
}

#[tokio::test]
async fn an_unknown_status_is_kept_as_it_is() {
    let answer = INTENT.replace(
        r#""status": "succeeded"
}"#,
        r#""status": "requires_reauthorization"}"#,
    );
    let (stripe, _served) = answering(200, &answer).await;
    let intent = stripe.retrieve(&intent_id()).await.unwrap();
    assert_eq!(
        intent.status,
        IntentStatus::Other("requires_reauthorization".to_owned())
    );
}

#[tokio::test]
async fn a_refund_says_how_much_and_where_it_stands() {
    let (stripe, _served) = answering(200, REFUND).await;
    let expected = Refund {
        id: RefundId::parse("re_3SKxT2LkdIwHu7ix0QwErTyU").unwrap(),
        intent: intent_id(),
        amount: 9999,
        currency: Currency::parse("EUR").unwrap(),
        status: RefundStatus::Succeeded,
    };
    assert_eq!(
        stripe.refund(&intent_id(), "order-1/refund").await.unwrap(),
        expected
    );
}

/// How a failure is told apart, with what it says.
fn told(error: &GatewayError) -> String {
    match error {
        GatewayError::Declined {
            code,
            decline_code,
            intent,
        } => {
            let intent = intent.as_ref().map(ToString::to_string);
            format!("declined {code} {decline_code:?} {intent:?}")
        }
        GatewayError::Invalid {
            code,
            param,
            intent_status,
            ..
        } => {
            format!("invalid {code:?} {param:?} {intent_status:?}")
        }
        GatewayError::Unauthorised { status, .. } => format!("unauthorised {status}"),
        GatewayError::RateLimited => "rate limited".to_owned(),
        GatewayError::Unavailable(_) => "unavailable".to_owned(),
        GatewayError::Unknown(_) => "unknown".to_owned(),
        GatewayError::Replayed(_) => "replayed".to_owned(),
    }
}

#[tokio::test]
async fn each_refusal_is_told_apart_and_what_nobody_knows_is_unknown() {
    let declined = include_str!("../answers/declined.json");
    let expired = include_str!("../answers/expired_card.json");
    let unexpected = include_str!("../answers/unexpected_state.json");
    let missing = include_str!("../answers/missing.json");
    let other_parameters = include_str!("../answers/other_parameters.json");
    let key_in_use = include_str!("../answers/key_in_use.json");
    let lock_timeout = include_str!("../answers/lock_timeout.json");
    let rate_limit = include_str!("../answers/rate_limit.json");
    let wrong_key = include_str!("../answers/wrong_key.json");
    let server_error = include_str!("../answers/server_error.json");
    let half = &INTENT[..INTENT.len() / 2];
    let page = "<html>Bad gateway</html>";
    let unexpanded = INTENT.replace(r#""amount_refunded": 2500,"#, "");
    for (status, body, expected) in [
        (
            402,
            declined,
            r#"declined card_declined Some("insufficient_funds") Some("pi_3SKxT2LkdIwHu7ix0Z9Wm1aB")"#,
        ),
        (402, expired, "declined expired_card None None"),
        (
            400,
            unexpected,
            r#"invalid Some("payment_intent_unexpected_state") None Some(Canceled)"#,
        ),
        (
            400,
            missing,
            r#"invalid Some("resource_missing") Some("payment_method") None"#,
        ),
        (
            404,
            missing,
            r#"invalid Some("resource_missing") Some("payment_method") None"#,
        ),
        (400, other_parameters, "invalid None None None"),
        (409, key_in_use, "unavailable"),
        (409, page, "unavailable"),
        (429, lock_timeout, "unavailable"),
        (429, rate_limit, "rate limited"),
        (429, "", "rate limited"),
        (401, wrong_key, "unauthorised 401"),
        (403, page, "unauthorised 403"),
        (500, server_error, "unknown"),
        (502, page, "unknown"),
        // Says "declined", but a server error may have come after the deed.
        (500, declined, "unknown"),
        (400, page, "unknown"),
        (402, server_error, "unknown"),
        (302, "", "unknown"),
        (200, half, "unknown"),
        (200, page, "unknown"),
        (200, &unexpanded, "unknown"),
    ] {
        let (stripe, _served) = answering(status, body).await;
        let error = stripe
            .capture(&intent_id(), "order-1/capture")
            .await
            .unwrap_err();
        assert_eq!(told(&error), expected, "HTTP {status} {body}");
    }
}

#[tokio::test]
async fn a_refusal_can_be_looked_up_by_its_request() {
    let (stripe, _served) = answering(400, include_str!("../answers/missing.json")).await;
    let error = stripe.retrieve(&intent_id()).await.unwrap_err();
    assert!(error.to_string().contains("req_1"), "{error}");
}

#[tokio::test]
async fn a_connection_that_ends_after_the_request_leaves_the_outcome_unknown() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_owned();
    for answer in [String::new(), cut] {
        let (stripe, served) = serving(answer).await;
        let error = stripe
            .capture(&intent_id(), "order-1/capture")
            .await
            .unwrap_err();
        assert_eq!(told(&error), "unknown", "{error:?}");
        served.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let long = " ".repeat(600 * 1024);
    let (stripe, served) = answering(200, &long).await;
    let error = stripe.retrieve(&intent_id()).await.unwrap_err();
    assert_eq!(told(&error), "unknown", "{error:?}");
    served.abort();
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap())
        .parse()
        .unwrap();
    let key = SecretKey::parse("sk_test_loopback").unwrap();
    let stripe = Stripe::new(&url, &key, Duration::from_millis(50)).unwrap();
    let error = stripe
        .capture(&intent_id(), "order-1/capture")
        .await
        .unwrap_err();
    assert_eq!(told(&error), "unknown", "{error:?}");
}

#[tokio::test]
async fn what_was_not_reached_did_certainly_nothing() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stripe = client(&gone);
    drop(gone);
    let error = stripe
        .capture(&intent_id(), "order-1/capture")
        .await
        .unwrap_err();
    assert_eq!(told(&error), "unavailable", "{error:?}");
}
