//! The one SDK configuration of a process: every client shares its HTTPS connector and credentials.

#[cfg(feature = "dynamodb")]
pub(crate) mod dynamo;
mod https;
#[cfg(feature = "sqs")]
pub(crate) mod mailbox;
#[cfg(feature = "sqs")]
pub(crate) mod sqs;

use std::time::Duration;

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::meta::region::ProvideRegion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::config::variable;

pub use self::https::Roots;

/// Reads region, credentials and endpoint from wherever every AWS tool looks for them, and [which
/// certificates](Roots::from_env) to trust.
///
/// The SDK's own defaults know no time-out for an answer; a Lambda that waits for one until its own
/// time-out cannot report what it has done. Hence: 1 s to connect, 3 s an attempt, 10 s an operation,
/// 3 attempts.
pub async fn config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https::client(Roots::from_env()))
        .retry_config(retries())
        .timeout_config(timeouts())
        .load()
        .await
}

/// The same for a function in Lambda, which finds region and credentials in its
/// [environment](https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html), and nowhere else: no profile, no
/// role to assume, no instance to ask, and none of the code for that.
pub async fn in_lambda() -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(https::client(Roots::from_env()))
        .retry_config(retries())
        .timeout_config(timeouts())
        .region(EnvironmentVariableRegionProvider::new().region().await)
        .credentials_provider(SharedCredentialsProvider::new(
            EnvironmentVariableCredentialsProvider::new(),
        ));
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL").ok());
    config.build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(10))
        .build()
}
