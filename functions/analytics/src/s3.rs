//! S3 as the archive.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use dashpot::ConfigError;

use crate::archive::{Archive, NotArchived};

/// Puts objects into a bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
}

impl S3 {
    /// The bucket in `BUCKET_NAME`.
    ///
    /// # Errors
    /// [`ConfigError`] when the variable is not set.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        // An endpoint of one's own has no name a bucket.
        let config = Builder::from(config).force_path_style(config.endpoint_url().is_some());
        Ok(Self {
            client: Client::from_conf(config.build()),
            bucket: dashpot::variable("BUCKET_NAME")?,
        })
    }
}

impl Archive for S3 {
    async fn put(&self, key: &str, body: String) -> Result<(), NotArchived> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type("application/x-ndjson")
            .body(ByteStream::from(body.into_bytes()))
            .send()
            .await
            .map(drop)
            .map_err(|error| NotArchived(dashpot::chain(&error)))
    }
}
