//! What is sent.

use std::time::Duration;

use payment_gateway::{
    Amount, Authorisation, Currency, Gateway, GatewayError, OrderId, PaymentMethodId, SecretKey,
    Stripe,
};

use crate::loopback::{Request, answering};
use crate::{INTENT, REFUND, intent_id};

fn authorisation(round: u32) -> Authorisation {
    Authorisation {
        order_id: OrderId::parse("order-1").unwrap(),
        amount: Amount {
            minor_units: 9999,
            currency: Currency::parse("EUR").unwrap(),
        },
        payment_method: PaymentMethodId::parse("pm_card_visa").unwrap(),
        round,
    }
}

#[tokio::test]
async fn authorising_asks_for_a_confirmed_manual_hold_under_the_orders_id() {
    let (stripe, served) = answering(200, INTENT).await;
    let authorisation = authorisation(0);
    stripe.authorise(&authorisation).await.unwrap();
    let Request {
        line,
        headers,
        body,
    } = served.await.unwrap();
    assert_eq!(line, "POST /v1/payment_intents HTTP/1.1");
    for header in [
        "authorization: bearer sk_test_loopback",
        "content-type: application/x-www-form-urlencoded",
        "idempotency-key: order-1",
        "stripe-version: 2025-09-30.clover",
    ] {
        assert!(
            headers.lines().any(|line| line == header),
            "no {header} in\n{headers}"
        );
    }
    assert_eq!(
        body,
        "amount=9999&currency=eur&payment_method=pm_card_visa&payment_method_types%5B%5D=card\
         &capture_method=manual&confirm=true&error_on_requires_action=true\
         &metadata%5Border_id%5D=order-1&expand%5B%5D=latest_charge"
    );
}

#[tokio::test]
async fn another_round_is_the_same_request_under_another_key() {
    let (stripe, first) = answering(200, INTENT).await;
    stripe.authorise(&authorisation(0)).await.unwrap();
    let (stripe, second) = answering(200, INTENT).await;
    stripe.authorise(&authorisation(1)).await.unwrap();
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(first.body, second.body);
    assert!(
        second
            .headers
            .lines()
            .any(|line| line == "idempotency-key: order-1#1")
    );
}

#[tokio::test]
async fn capture_and_cancel_are_posted_to_the_payment_under_the_callers_key() {
    let id = intent_id();
    let (stripe, captured) = answering(200, INTENT).await;
    stripe.capture(&id, "order-1/capture").await.unwrap();
    let (stripe, cancelled) = answering(200, INTENT).await;
    stripe.cancel(&id, "order-1/cancel").await.unwrap();
    for (served, operation) in [(captured, "capture"), (cancelled, "cancel")] {
        let Request {
            line,
            headers,
            body,
        } = served.await.unwrap();
        assert_eq!(
            line,
            format!("POST /v1/payment_intents/{id}/{operation} HTTP/1.1")
        );
        assert!(headers.contains(&format!("idempotency-key: order-1/{operation}")));
        assert_eq!(body, "expand%5B%5D=latest_charge");
    }
}

#[tokio::test]
async fn a_refund_names_the_payment_and_no_amount_so_that_it_is_the_whole() {
    let (stripe, served) = answering(200, REFUND).await;
    stripe.refund(&intent_id(), "order-1/refund").await.unwrap();
    let Request {
        line,
        headers,
        body,
    } = served.await.unwrap();
    assert_eq!(line, "POST /v1/refunds HTTP/1.1");
    assert!(headers.contains("idempotency-key: order-1/refund"));
    assert_eq!(body, format!("payment_intent={}", intent_id()));
}

#[tokio::test]
async fn looking_asks_for_the_charge_and_carries_no_key() {
    let (stripe, retrieved) = answering(200, INTENT).await;
    stripe.retrieve(&intent_id()).await.unwrap();
    let (stripe, found) = answering(200, &format!(r#"{{"data":[{INTENT}]}}"#)).await;
    stripe
        .find(&OrderId::parse("order-1").unwrap())
        .await
        .unwrap();
    let one = format!(
        "/v1/payment_intents/{}?expand%5B%5D=latest_charge",
        intent_id()
    );
    let many = "/v1/payment_intents/search?query=metadata%5B%27order_id%27%5D%3A%27order-1%27\
                &expand%5B%5D=data.latest_charge";
    for (served, target) in [(retrieved, one.as_str()), (found, many)] {
        let Request { line, headers, .. } = served.await.unwrap();
        assert_eq!(line, format!("GET {target} HTTP/1.1"));
        assert!(!headers.contains("idempotency-key"));
    }
}

#[tokio::test]
async fn a_key_that_is_no_header_is_refused_before_anything_is_sent() {
    let (stripe, served) = answering(200, INTENT).await;
    let error = stripe
        .capture(&intent_id(), "order-1\r\nx: y")
        .await
        .unwrap_err();
    assert!(matches!(error, GatewayError::Invalid { .. }), "{error:?}");
    assert!(!served.is_finished());
    served.abort();
}

#[test]
fn the_secret_key_goes_only_over_https_or_to_this_machine() {
    let key = SecretKey::parse("sk_test_loopback").unwrap();
    let client = |url: &str| Stripe::new(&url.parse().unwrap(), &key, Duration::from_secs(1));
    for url in [
        "https://api.stripe.com",
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://localhost",
    ] {
        assert!(client(url).is_ok(), "{url}");
    }
    for url in [
        "http://api.stripe.com",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
    ] {
        assert!(client(url).is_err(), "{url}");
    }
}

#[test]
fn a_client_does_not_print_its_key() {
    let key = SecretKey::parse("sk_test_loopback").unwrap();
    let url = "http://127.0.0.1:1".parse().unwrap();
    let stripe = Stripe::new(&url, &key, Duration::from_secs(1)).unwrap();
    assert!(!format!("{stripe:?}").contains("sk_test"));
}
