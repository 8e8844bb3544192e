//! Stripe's `PaymentIntents` over HTTP.

pub mod answer;
mod refusal;
mod wire;

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use serde::de::DeserializeOwned;

use crate::{Authorisation, Gateway, GatewayError, Intent, IntentId, OrderId, Refund, SecretKey};

/// The version of Stripe's API whose shapes `wire` reads; without it the account's own would apply.
const VERSION: &str = "2025-09-30.clover";
/// An answer is a few kilobytes; what is longer is not read to its end.
const ANSWER_LIMIT: usize = 512 * 1024;
/// Reaching the provider is quick or not to be; the rest of the time is for its answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A frozen function wakes to connections that the other end has long closed: a request sent on one
/// of them would end in doubt, so none is kept for long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The payment provider Stripe. Cloning is cheap and shares the connections.
#[derive(Debug, Clone)]
pub struct Stripe {
    client: Client,
    intents: Url,
    refunds: Url,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// The address is not one that a key may be sent to.
    #[error(
        "{0} is no address for the payment provider: https, or http on this machine, is wanted"
    )]
    Address(Url),
    /// The HTTP client could not be made.
    #[error("no HTTP client for the payment provider")]
    Client(#[source] reqwest::Error),
}

/// The fields of a form. Everything but a card's money and method is the same in every call.
type Form<'a> = &'a [(&'a str, &'a str)];

/// Without the charge an answer does not say what was refunded.
const WITH_CHARGE: (&str, &str) = ("expand[]", "latest_charge");

impl Stripe {
    /// A client for the provider at `base_url`, which waits up to `timeout` for each answer.
    ///
    /// # Errors
    /// [`StripeError`] if `base_url` is neither https nor http on this machine, or if the HTTP client
    /// cannot be made (no certificates).
    pub fn new(base_url: &Url, key: &SecretKey, timeout: Duration) -> Result<Self, StripeError> {
        let local = is_loopback(base_url);
        if base_url.scheme() != "https" && !(base_url.scheme() == "http" && local) {
            return Err(StripeError::Address(base_url.clone()));
        }
        let endpoint = |path| {
            base_url
                .join(path)
                .map_err(|_| StripeError::Address(base_url.clone()))
        };
        // Fails only if a provider is installed already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .default_headers(headers(key))
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(redirect::Policy::none());
        if local {
            client = client.no_proxy();
        }
        Ok(Self {
            client: client.build().map_err(StripeError::Client)?,
            intents: endpoint("/v1/payment_intents")?,
            refunds: endpoint("/v1/refunds")?,
        })
    }

    fn post(&self, url: Url, key: &str, form: Form<'_>) -> RequestBuilder {
        self.client
            .post(url)
            .header(IDEMPOTENCY_KEY, key)
            .form(form)
    }

    async fn intent(&self, request: RequestBuilder) -> Result<Intent, GatewayError> {
        let answer: wire::Intent = send(request).await?;
        answer.try_into().map_err(refusal::unreadable)
    }

    /// The address of one payment, or of an operation on it.
    fn on(&self, id: &IntentId, operation: Option<&str>) -> Url {
        let mut url = self.intents.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id.as_str()).extend(operation);
        }
        url
    }
}

impl Gateway for Stripe {
    async fn authorise(&self, authorisation: &Authorisation) -> Result<Intent, GatewayError> {
        let Authorisation {
            order_id,
            amount,
            payment_method,
            round: _,
        } = authorisation;
        let form = [
            ("amount", &*amount.minor_units.to_string()),
            (
                "currency",
                &amount.currency.to_string().to_ascii_lowercase(),
            ),
            ("payment_method", payment_method.as_str()),
            ("payment_method_types[]", "card"),
            ("capture_method", "manual"),
            ("confirm", "true"),
            // The customer is not here to prove who they are: such a card is declined.
            ("error_on_requires_action", "true"),
            ("metadata[order_id]", order_id.as_str()),
            WITH_CHARGE,
        ];
        self.intent(self.post(self.intents.clone(), &authorisation.key(), &form))
            .await
    }

    async fn capture(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        self.intent(self.post(self.on(id, Some("capture")), key, &[WITH_CHARGE]))
            .await
    }

    async fn cancel(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        self.intent(self.post(self.on(id, Some("cancel")), key, &[WITH_CHARGE]))
            .await
    }

    async fn refund(&self, id: &IntentId, key: &str) -> Result<Refund, GatewayError> {
        let form = [("payment_intent", id.as_str())];
        let answer: wire::Refund = send(self.post(self.refunds.clone(), key, &form)).await?;
        answer.try_into().map_err(refusal::unreadable)
    }

    async fn retrieve(&self, id: &IntentId) -> Result<Intent, GatewayError> {
        let mut url = self.on(id, None);
        url.query_pairs_mut()
            .append_pair(WITH_CHARGE.0, WITH_CHARGE.1);
        self.intent(self.client.get(url)).await
    }

    async fn find(&self, order_id: &OrderId) -> Result<Vec<Intent>, GatewayError> {
        let mut url = self.intents.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push("search");
        }
        url.query_pairs_mut()
            .append_pair("query", &format!("metadata['order_id']:'{order_id}'"))
            .append_pair("expand[]", "data.latest_charge");
        let answer: wire::Found = send(self.client.get(url)).await?;
        answer.try_into().map_err(refusal::unreadable)
    }
}

/// What every request carries.
fn headers(key: &SecretKey) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        HeaderName::from_static("stripe-version"),
        HeaderValue::from_static(VERSION),
    );
    // Cannot fail: a key holds visible ASCII only.
    if let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {}", key.expose())) {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    headers
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn send<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, GatewayError> {
    let response = request.send().await.map_err(refusal::transport)?;
    let status = response.status().as_u16();
    let request_id = refusal::request_id(response.headers());
    let replayed = refusal::is_replayed(response.headers());
    let body = read(response).await?;
    match answer::read(status, &body, &request_id) {
        Err(GatewayError::Unknown(cause)) if replayed && !is_success(status) => {
            Err(GatewayError::Replayed(cause))
        }
        outcome => outcome,
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

async fn read(mut response: Response) -> Result<Vec<u8>, GatewayError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(refusal::transport)? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(refusal::too_long(ANSWER_LIMIT));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
