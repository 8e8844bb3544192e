//! The key out of Secrets Manager.

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;

use crate::{InvalidKey, SecretKey};

/// Why the key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not hand it out.
    #[error("the payment provider's key could not be read from Secrets Manager")]
    Read(#[source] Box<SdkError<GetSecretValueError>>),
    /// The secret holds bytes, not text.
    #[error("the payment provider's secret holds no text")]
    NotText,
    /// The secret holds something else than a key.
    #[error(transparent)]
    Invalid(#[from] InvalidKey),
}

/// Reads the key from the secret of that name or ARN, whose text is the key and nothing else.
///
/// # Errors
/// [`SecretError`] if the secret cannot be read or is no key.
pub async fn secret_key(sdk: &SdkConfig, secret: &str) -> Result<SecretKey, SecretError> {
    let answer = Client::new(sdk)
        .get_secret_value()
        .secret_id(secret)
        .send()
        .await
        .map_err(|error| SecretError::Read(Box::new(error)))?;
    let text = answer.secret_string().ok_or(SecretError::NotText)?;
    Ok(SecretKey::parse(text)?)
}
