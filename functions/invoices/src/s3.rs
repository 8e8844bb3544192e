//! S3 as the cabinet: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use dashpot::ConfigError;

use crate::cabinet::{Cabinet, Kept, NotKept};

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
}

impl S3 {
    /// That bucket.
    #[must_use]
    pub fn new(config: &SdkConfig, bucket: impl Into<String>) -> Self {
        // An endpoint of one's own has no name a bucket.
        let config = Builder::from(config).force_path_style(config.endpoint_url().is_some());
        Self {
            client: Client::from_conf(config.build()),
            bucket: bucket.into(),
        }
    }

    /// The bucket in `BUCKET_NAME`.
    ///
    /// # Errors
    /// [`ConfigError`] when the variable is not set.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(config, dashpot::variable("BUCKET_NAME")?))
    }

    /// Reads a document: for tools. The function has no permission for this.
    ///
    /// # Errors
    /// [`NotRead`] when there is none, or the bucket does not answer.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, NotRead> {
        let object = self.client.get_object().bucket(&self.bucket).key(key);
        let object = object.send().await;
        let object = object.map_err(|error| NotRead(dashpot::chain(&error)))?;
        let document = object.body.collect().await;
        let document = document.map_err(|error| NotRead(dashpot::chain(&error)))?;
        Ok(document.into_bytes().into())
    }
}

/// A document is not there, or cannot be read just now.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the document cannot be read: {0}")]
pub struct NotRead(pub String);

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
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(Kept::Before),
            Err(error) => Err(NotKept(dashpot::chain(&error))),
        }
    }
}
