//! S3 as the archive.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use dashpot::ConfigError;

use crate::archive::{Archive, NotArchived};

/// An object could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the archive does not give an object: {0}")]
pub struct NotRead(String);

/// Puts objects into a bucket, and gets them.
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
        Ok(Self::new(config, dashpot::variable("BUCKET_NAME")?))
    }

    /// The bucket of that name.
    #[must_use]
    pub fn new(config: &SdkConfig, bucket: impl Into<String>) -> Self {
        // An endpoint of one's own has no name a bucket.
        let config = Builder::from(config).force_path_style(config.endpoint_url().is_some());
        Self {
            client: Client::from_conf(config.build()),
            bucket: bucket.into(),
        }
    }

    /// What an object says; none where there is no such object. For tools: the function itself reads nothing.
    ///
    /// # Errors
    /// [`NotRead`] when the bucket does not answer, or the object is no text.
    pub async fn get(&self, key: &str) -> Result<Option<String>, NotRead> {
        let object = self.client.get_object().bucket(&self.bucket).key(key);
        let object = match object.send().await {
            Ok(object) => object,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetObjectError::is_no_such_key) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(NotRead(dashpot::chain(&error))),
        };
        let body = object.body.collect().await;
        let bytes = body.map_err(|error| NotRead(dashpot::chain(&error)))?;
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some).map_err(|error| NotRead(error.to_string()))
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
