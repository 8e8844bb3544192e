//! The one SDK configuration of a process: every client shares its HTTPS connector and credentials.

#[cfg(feature = "dynamodb")]
pub(crate) mod dynamo;
#[cfg(feature = "sqs")]
pub(crate) mod sqs;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Reads region, credentials and endpoint from the environment, as every AWS tool does.
///
/// The SDK's own defaults know no time-out for an answer; a Lambda that waits for one until its own
/// time-out cannot report what it has done. Hence: 1 s to connect, 3 s an attempt, 10 s an operation,
/// 3 attempts.
pub async fn config() -> SdkConfig {
    let https = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https)
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
