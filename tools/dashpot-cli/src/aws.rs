//! Errors of the AWS SDK in words.

use std::error::Error;
use std::fmt;

use anyhow::{Result, anyhow};
use aws_sdk_cloudformation::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// Turns the outcome of an AWS call into ours.
pub(crate) trait Explained<T> {
    /// The service's own code and message where it answered; else why there is no answer.
    fn explained(self) -> Result<T>;
}

impl<T, E, R> Explained<T> for Result<T, SdkError<E, R>>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    fn explained(self) -> Result<T> {
        self.map_err(|cause| match (cause.code(), cause.message()) {
            (Some(code), Some(message)) => anyhow!("{code}: {message}"),
            (Some(code), None) => anyhow!("{code}"),
            _ => anyhow!("{}", DisplayErrorContext(&cause)),
        })
    }
}
