//! S3 as the cabinet.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use dashpot::ConfigError;

use crate::cabinet::{Cabinet, Kept, NotKept};

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

impl Cabinet for S3 {
    async fn put_new(&self, key: &str, document: Vec<u8>) -> Result<Kept, NotKept> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type("application/pdf")
            .if_none_match("*")
            .body(ByteStream::from(document));
        match put.send().await {
            Ok(_) => Ok(Kept::Now),
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(Kept::Before),
            Err(error) => Err(NotKept(dashpot::chain(&error))),
        }
    }
}
