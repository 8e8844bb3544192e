//! Stripe, opened when it is first needed.

use aws_config::SdkConfig;
use tokio::sync::Mutex;

use crate::{
    Authorisation, Config, ConfigError, Gateway, GatewayError, Intent, IntentId, OrderId, Refund,
    Stripe, secret_key,
};

const SECRET: &str = "PAYMENT_KEY_SECRET";

/// Stripe, whose key is read from Secrets Manager on first use and kept for the life of the process.
///
/// Not at its start: a key that cannot be read just then would end the process, where a call that fails says why.
/// A key that is no longer accepted has been changed: the next call reads it anew.
#[derive(Debug)]
pub struct StripeOnDemand {
    aws: SdkConfig,
    config: Config,
    secret: String,
    opened: Mutex<Option<Stripe>>,
}

impl StripeOnDemand {
    /// Reads `PAYMENT_BASE_URL`, `PAYMENT_TIMEOUT_MS` (milliseconds) and `PAYMENT_KEY_SECRET` (the secret's
    /// name or ARN), and calls nobody yet.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable that is missing or wrong.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        let secret = std::env::var(SECRET)
            .ok()
            .filter(|secret| !secret.is_empty())
            .ok_or(ConfigError::Missing(SECRET))?;
        Ok(Self {
            aws: aws.clone(),
            config: Config::from_env()?,
            secret,
            opened: Mutex::new(None),
        })
    }

    async fn open(&self) -> Result<Stripe, GatewayError> {
        // Boxed: it runs once in the life of a process, and every call's future would have room for it.
        self.opened_by(|| Box::pin(self.read())).await
    }

    /// The client that there is, or the one that `open` makes. A batch's messages all ask for it at the same time:
    /// one of them opens, the others wait for that.
    async fn opened_by<F>(&self, open: impl FnOnce() -> F + Send) -> Result<Stripe, GatewayError>
    where
        F: Future<Output = Result<Stripe, GatewayError>> + Send,
    {
        let mut opened = self.opened.lock().await;
        if let Some(stripe) = &*opened {
            return Ok(stripe.clone());
        }
        let stripe = open().await?;
        *opened = Some(stripe.clone());
        Ok(stripe)
    }

    /// Without a client nothing was asked, so nothing happened.
    async fn read(&self) -> Result<Stripe, GatewayError> {
        let key = secret_key(&self.aws, &self.secret)
            .await
            .map_err(|error| GatewayError::Unavailable(error.into()))?;
        Stripe::new(&self.config.base_url, &key, self.config.timeout)
            .map_err(|error| GatewayError::Unavailable(error.into()))
    }

    async fn seen<T>(&self, answer: Result<T, GatewayError>) -> Result<T, GatewayError> {
        if let Err(GatewayError::Unauthorised { .. }) = answer {
            *self.opened.lock().await = None;
        }
        answer
    }
}

impl Gateway for StripeOnDemand {
    async fn authorise(&self, authorisation: &Authorisation) -> Result<Intent, GatewayError> {
        self.seen(self.open().await?.authorise(authorisation).await)
            .await
    }

    async fn capture(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        self.seen(self.open().await?.capture(id, key).await).await
    }

    async fn cancel(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        self.seen(self.open().await?.cancel(id, key).await).await
    }

    async fn refund(&self, id: &IntentId, key: &str) -> Result<Refund, GatewayError> {
        self.seen(self.open().await?.refund(id, key).await).await
    }

    async fn retrieve(&self, id: &IntentId) -> Result<Intent, GatewayError> {
        self.seen(self.open().await?.retrieve(id).await).await
    }

    async fn find(&self, order_id: &OrderId) -> Result<Vec<Intent>, GatewayError> {
        self.seen(self.open().await?.find(order_id).await).await
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::SecretKey;

    /// Answers one request, whatever it is, with this status and an error.
    async fn answer(listener: &TcpListener, status: &str) {
        let body = r#"{"error":{"type":"api_error","message":"no"}}"#;
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn a_client_is_kept_until_its_key_is_no_longer_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let config = Config {
            base_url: base_url.parse().unwrap(),
            timeout: Duration::from_secs(5),
        };
        let key = SecretKey::parse("sk_test_1").unwrap();
        let stripe = Stripe::new(&config.base_url, &key, config.timeout).unwrap();
        let on_demand = StripeOnDemand {
            aws: SdkConfig::builder().build(),
            config,
            secret: "unused".to_owned(),
            opened: Mutex::new(Some(stripe)),
        };
        let intent = IntentId::parse("pi_1").unwrap();
        for (status, kept) in [("429 Too Many Requests", true), ("401 Unauthorized", false)] {
            let (answered, ()) =
                tokio::join!(on_demand.retrieve(&intent), answer(&listener, status));
            assert!(answered.is_err());
            assert_eq!(on_demand.opened.lock().await.is_some(), kept, "{status}");
        }
    }

    #[tokio::test]
    async fn a_batch_that_asks_for_the_client_at_once_opens_it_once() {
        let base_url: reqwest::Url = "http://127.0.0.1:1".parse().unwrap();
        let timeout = Duration::from_secs(5);
        let key = SecretKey::parse("sk_test_1").unwrap();
        let stripe = Stripe::new(&base_url, &key, timeout).unwrap();
        let on_demand = StripeOnDemand {
            aws: SdkConfig::builder().build(),
            config: Config { base_url, timeout },
            secret: "unused".to_owned(),
            opened: Mutex::new(None),
        };
        let reads = AtomicUsize::new(0);
        let open = || async {
            reads.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(stripe.clone())
        };
        let (first, second) = tokio::join!(on_demand.opened_by(open), on_demand.opened_by(open));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(reads.load(Ordering::Relaxed), 1);
    }
}
