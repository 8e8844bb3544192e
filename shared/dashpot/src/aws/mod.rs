//! The one SDK configuration of a process: every client shares its HTTPS connector and credentials.

#[cfg(feature = "dynamodb")]
pub(crate) mod dynamo;
mod https;
#[cfg(feature = "sqs")]
pub(crate) mod sqs;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

pub use self::https::Roots;

/// Reads region, credentials and endpoint from the environment, as every AWS tool does, and [which
/// certificates](Roots::from_env) to trust.
///
/// The SDK's own defaults know no time-out for an answer; a Lambda that waits for one until its own
/// time-out cannot report what it has done. Hence: 1 s to connect, 3 s an attempt, 10 s an operation,
/// 3 attempts.
pub async fn config() -> SdkConfig {
    config_with(Roots::from_env()).await
}

/// The same, with these certificates trusted, whatever the environment says.
pub async fn config_with(roots: Roots) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https::client(roots))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(1))
                .operation_attempt_timeout(Duration::from_secs(3))
                .operation_timeout(Duration::from_secs(10))
                .build(),
        )
        .load()
        .await
}
