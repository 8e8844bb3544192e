//! A sandbox of one test's own, and how to look into it.

use std::time::Duration;

use payment_gateway::{
    Amount, Authorisation, Currency, Gateway, Intent, OrderId, PaymentMethodId, SecretKey, Stripe,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Ends with its value.
pub(crate) struct Sandbox {
    pub(crate) url: String,
    pub(crate) stripe: Stripe,
    pub(crate) http: reqwest::Client,
    _running: oneshot::Sender<()>,
}

impl Sandbox {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (running, ended) = oneshot::channel::<()>();
        let shutdown = async { drop(ended.await) };
        tokio::spawn(dashpot_cli::sandbox::serve(listener, shutdown));
        // The first: it installs the TLS that the other client wants to see, too.
        let stripe = client(&url, Duration::from_secs(5));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            url,
            stripe,
            http,
            _running: running,
        }
    }

    /// A client that waits only so long.
    pub(crate) fn hasty(&self, timeout: Duration) -> Stripe {
        client(&self.url, timeout)
    }

    /// A hold for an order on a good card.
    pub(crate) async fn hold(&self, order: &str) -> Intent {
        self.stripe
            .authorise(&authorisation(order, "pm_card_visa"))
            .await
            .unwrap()
    }

    pub(crate) async fn misbehave(&self, rule: Value) {
        let body = json!([rule]).to_string();
        let answer = self
            .http
            .post(format!("{}/behaviour", self.url))
            .body(body)
            .send()
            .await;
        answer.unwrap().error_for_status().unwrap();
    }

    pub(crate) async fn behave(&self) {
        let answer = self
            .http
            .delete(format!("{}/behaviour", self.url))
            .send()
            .await;
        answer.unwrap().error_for_status().unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self
            .http
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    pub(crate) async fn ledger(&self) -> Vec<Value> {
        self.get("/ledger").await.as_array().unwrap().clone()
    }

    /// The calls on the only payment in the ledger.
    pub(crate) async fn calls(&self) -> Vec<Value> {
        let ledger = self.ledger().await;
        assert_eq!(ledger.len(), 1, "{ledger:#?}");
        ledger[0]["calls"].as_array().unwrap().clone()
    }
}

fn client(url: &str, timeout: Duration) -> Stripe {
    let key = SecretKey::parse("sk_test_contract").unwrap();
    Stripe::new(&url.parse().unwrap(), &key, timeout).unwrap()
}

/// 99.99 EUR for an order.
pub(crate) fn authorisation(order: &str, payment_method: &str) -> Authorisation {
    Authorisation {
        order_id: order_id(order),
        amount: Amount {
            minor_units: 9999,
            currency: Currency::parse("EUR").unwrap(),
        },
        payment_method: PaymentMethodId::parse(payment_method).unwrap(),
        round: 0,
    }
}

pub(crate) fn order_id(order: &str) -> OrderId {
    OrderId::parse(order).unwrap()
}
