//! API Gateway's event, and the order form in it: whatever comes in, an answer goes out.

use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use checkout::form::Form;
use checkout::handler::Checkout;
use dashpot::{Invocation, Key, Row, Store, Write};
use dashpot_testing::MemoryStore;
use orders::handler::Orders;
use payment_gateway::{Authorisation, Gateway, GatewayError, Intent, IntentId, OrderId, Refund};
use serde_json::Value;

/// A provider that is busy: what gets as far as this was read.
struct Busy;

impl Gateway for Busy {
    async fn authorise(&self, _: &Authorisation) -> Result<Intent, GatewayError> {
        Err(GatewayError::RateLimited)
    }

    async fn capture(&self, _: &IntentId, _: &str) -> Result<Intent, GatewayError> {
        Err(GatewayError::RateLimited)
    }

    async fn cancel(&self, _: &IntentId, _: &str) -> Result<Intent, GatewayError> {
        Err(GatewayError::RateLimited)
    }

    async fn refund(&self, _: &IntentId, _: &str) -> Result<Refund, GatewayError> {
        Err(GatewayError::RateLimited)
    }

    async fn retrieve(&self, _: &IntentId) -> Result<Intent, GatewayError> {
        Err(GatewayError::RateLimited)
    }

    async fn find(&self, _: &OrderId) -> Result<Vec<Intent>, GatewayError> {
        Err(GatewayError::RateLimited)
    }
}

/// # Panics
/// When checkout or orders answers with anything but a document of JSON and a status that it is meant to have.
pub fn check(data: &[u8]) {
    let Ok(event) = std::str::from_utf8(data) else {
        return;
    };
    crate::block_on(async {
        let store = MemoryStore::new();
        for sku in ["chair-oak", "lamp-brass"] {
            let price = Row::new(Key::new(format!("product#{sku}")))
                .set("price", 100_i64)
                .set("currency", "EUR");
            store.commit(&[Write::put(price)]).await.unwrap();
        }
        let checkout = Checkout::new(store, Busy, Duration::from_mins(15));
        let answer = checkout::http::answer(&checkout, event, &Invocation::default()).await;
        is_an_answer(&answer, &[400, 404, 405, 413, 503]);

        let orders = Orders::new(MemoryStore::new());
        let answer = orders::http::answer(&orders, event, &Invocation::default()).await;
        is_an_answer(&answer, &[400, 404, 405]);
    });
}

fn is_an_answer(response: &ApiGatewayV2httpResponse, expected: &[i64]) {
    assert!(
        expected.contains(&response.status_code),
        "{}",
        response.status_code
    );
    let response = serde_json::to_value(response).unwrap();
    let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["status"], response["statusCode"]);
}

/// # Panics
/// When a form is read differently another time, or its refusal is none of a bad request.
pub fn check_form(data: &[u8]) {
    match Form::read(data) {
        Ok(form) => {
            assert!((1..=shop_events::Lines::MAX).contains(&form.items.len()));
            assert_eq!(Form::read(data).unwrap().digest(), form.digest());
            let first = data.iter().find(|byte| !byte.is_ascii_whitespace());
            assert_eq!(first, Some(&b'{'));
        }
        Err(problem) => {
            assert_eq!(problem.status(), 400);
            if let Ok(text) = std::str::from_utf8(data) {
                // The example in checkout's own words is nobody's.
                let says = problem.body("c").replace("ada@example.com", "");
                crate::is_discreet(&says, text);
            }
        }
    }
}
