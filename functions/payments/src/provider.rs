//! How the payment provider is reached.

use std::future::Future;

use aws_config::SdkConfig;
use dashpot::Failure;
use payment_gateway::{Config, Gateway, Stripe, secret_key};
use tokio::sync::OnceCell;

/// Hands out the gateway to the payment provider.
pub trait Provider: Send + Sync {
    /// What it hands out.
    type Gateway: Gateway;

    /// The gateway, ready to be called.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be had now; nothing has happened then.
    fn gateway(&self) -> impl Future<Output = Result<&Self::Gateway, Failure>> + Send;
}

/// Stripe, opened with a key from Secrets Manager.
///
/// The key is read on first use and kept for the life of the process. Not at its start: a secret that cannot be
/// read then would end the process, and with it batches that could have been delayed with a reason.
#[derive(Debug)]
pub struct StripeFromSecret {
    aws: SdkConfig,
    config: Config,
    secret: String,
    stripe: OnceCell<Stripe>,
}

impl StripeFromSecret {
    /// Reads `PAYMENT_BASE_URL`, `PAYMENT_TIMEOUT_MS` (milliseconds) and `PAYMENT_KEY_SECRET` (the secret's name
    /// or ARN).
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, lambda_runtime::Error> {
        Ok(Self {
            aws: aws.clone(),
            config: Config::from_env()?,
            secret: dashpot::variable("PAYMENT_KEY_SECRET")?,
            stripe: OnceCell::new(),
        })
    }

    async fn open(&self) -> Result<Stripe, Failure> {
        let key = secret_key(&self.aws, &self.secret).await?;
        Ok(Stripe::new(
            &self.config.base_url,
            &key,
            self.config.timeout,
        )?)
    }
}

impl Provider for StripeFromSecret {
    type Gateway = Stripe;

    async fn gateway(&self) -> Result<&Stripe, Failure> {
        self.stripe.get_or_try_init(|| self.open()).await
    }
}
