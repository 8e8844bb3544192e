//! The port to the queues of those who ask, and SQS behind it.

use std::future::Future;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use dashpot::{ConfigError, chain, variable};

/// Where answers go.
pub trait Replies: Send + Sync {
    /// Sends an answer to the queue of that name.
    ///
    /// # Errors
    /// [`NotReplied`] says why it may not be there.
    fn send(&self, to: &str, answer: &str) -> impl Future<Output = Result<(), NotReplied>> + Send;
}

/// An answer may not have arrived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReplied {
    /// Nothing is sent to such a queue, whoever asks for it.
    #[error("{0:?} is no queue for answers: its name must begin with {1:?}")]
    Forbidden(String, String),
    /// There is no such queue any more.
    #[error("whoever asked has closed their queue")]
    Gone,
    /// Worth another try.
    #[error("the answer may not have been sent: {0}")]
    Unknown(String),
}

/// The queues on SQS whose names begin as they must: a request says where its answer goes, and must not be able to have it
/// sent anywhere else.
#[derive(Debug, Clone)]
pub struct SqsReplies {
    client: Client,
    /// The URL of a queue, without its name.
    base: String,
    prefix: String,
}

impl SqsReplies {
    /// The queues beside the one that `QUEUE_URL` names, whose names begin with `REPLY_PREFIX`.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable is not set, or `QUEUE_URL` is no queue's.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        let url = variable("QUEUE_URL")?;
        let (base, _) = url
            .rsplit_once('/')
            .ok_or_else(|| ConfigError::new("QUEUE_URL", "the URL of a queue"))?;
        Ok(Self {
            client: Client::new(config),
            base: base.to_owned(),
            prefix: variable("REPLY_PREFIX")?,
        })
    }
}

impl Replies for SqsReplies {
    async fn send(&self, to: &str, answer: &str) -> Result<(), NotReplied> {
        if !is_allowed(to, &self.prefix) {
            return Err(NotReplied::Forbidden(to.to_owned(), self.prefix.clone()));
        }
        let send = self.client.send_message().message_body(answer);
        match send.queue_url(format!("{}/{to}", self.base)).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.code() {
                Some("QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue") => {
                    NotReplied::Gone
                }
                _ => NotReplied::Unknown(chain(&error)),
            }),
        }
    }
}

/// Whether that is the name of a queue for answers.
#[must_use]
pub fn is_allowed(name: &str, prefix: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    name.len() <= 80
        && name
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty())
        && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_to_queues_for_answers_alone() {
        let prefix = "dashpot-quote-replies-";
        assert!(is_allowed("dashpot-quote-replies-7", prefix));
        for name in [
            "dashpot-quote-replies-",
            "dashpot-payments",
            "dashpot-quote-replies-/../dashpot-payments",
            "https://elsewhere.example/dashpot-quote-replies-7",
            "dashpot-quote-replies-7?a=b",
            "",
        ] {
            assert!(!is_allowed(name, prefix), "{name}");
        }
        assert!(!is_allowed(&format!("{prefix}{}", "x".repeat(80)), prefix));
    }
}
