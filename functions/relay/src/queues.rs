//! The port to the queues that commands are for, and SQS behind it.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use dashpot::{ConfigError, chain};

use crate::fate::{Answer, Fate, is_invalid};
use crate::outbox::Event;

/// Where commands are sent.
pub trait Queues: Send + Sync {
    /// Sends commands that fit into one call to the queue of that logical name, and says of each, in order, what became
    /// of it. A queue that nobody knows will never take them.
    fn send(&self, to: &str, commands: &[&Event<'_>]) -> impl Future<Output = Vec<Fate>> + Send;
}

/// The queues on SQS.
#[derive(Debug, Clone)]
pub struct SqsQueues {
    client: Client,
    urls: BTreeMap<String, String>,
}

impl SqsQueues {
    /// The queues of these names, by their URLs.
    #[must_use]
    pub fn new<'a>(config: &SdkConfig, urls: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, url): (&str, &str)| (name.to_owned(), url.to_owned());
        Self {
            client: Client::new(config),
            urls: urls.into_iter().map(owned).collect(),
        }
    }

    /// The queues that `QUEUES` names, as `invoices=https://…,invoices-urgent=https://…`; none where it is not set.
    ///
    /// # Errors
    /// [`ConfigError`] when the variable is of another form.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        let named = std::env::var("QUEUES").unwrap_or_default();
        Ok(Self {
            client: Client::new(config),
            urls: urls(&named)?,
        })
    }

    /// One call; `Err` where all of it is refused because something in it is invalid.
    async fn call(&self, url: &str, commands: &[&Event<'_>]) -> Result<Vec<Fate>, String> {
        let entries: Result<Vec<_>, BuildError> = commands
            .iter()
            .enumerate()
            .map(|(id, command)| entry(id, command))
            .collect();
        let entries = entries.map_err(|error| error.to_string())?;
        let request = self.client.send_message_batch().queue_url(url);
        match request.set_entries(Some(entries)).send().await {
            Ok(answer) => Ok(Answer::from(&answer).fates(commands.len())),
            Err(error) if error.code().is_some_and(is_invalid) => Err(chain(&error)),
            Err(error) => Ok(vec![Fate::Failed(chain(&error)); commands.len()]),
        }
    }
}

impl Queues for SqsQueues {
    async fn send(&self, to: &str, commands: &[&Event<'_>]) -> Vec<Fate> {
        let Some(url) = self.urls.get(to) else {
            return vec![unknown(to); commands.len()];
        };
        if let Ok(fates) = self.call(url, commands).await {
            return fates;
        }
        // Something in the call is invalid: each alone, it shows which.
        let mut fates = Vec::with_capacity(commands.len());
        for command in commands {
            match self.call(url, std::slice::from_ref(command)).await {
                Ok(fate) => fates.extend(fate),
                Err(refusal) => fates.push(Fate::Unpublishable(refusal)),
            }
        }
        fates
    }
}

/// What becomes of a command for a queue that is not known.
#[must_use]
pub fn unknown(to: &str) -> Fate {
    Fate::Unpublishable(format!(
        "it is for the queue {to:?}, and QUEUES names no such queue"
    ))
}

fn urls(named: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let entries = named.split(',').filter(|entry| !entry.is_empty());
    entries
        .map(|entry| match entry.split_once('=') {
            Some((name, url)) if !name.is_empty() && url.starts_with("http") => {
                Ok((name.to_owned(), url.to_owned()))
            }
            _ => Err(ConfigError::new("QUEUES", "name=URL,name=URL")),
        })
        .collect()
}

fn entry(id: usize, command: &Event<'_>) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let attributes = command
        .attributes()
        .map(|attribute| {
            let value = MessageAttributeValue::builder()
                .data_type(attribute.data_type)
                .string_value(attribute.value)
                .build()?;
            Ok((attribute.name.to_owned(), value))
        })
        .collect::<Result<HashMap<_, _>, BuildError>>()?;
    SendMessageBatchRequestEntry::builder()
        .id(id.to_string())
        .message_body(command.body.as_ref())
        .set_message_attributes(Some(attributes))
        .set_message_group_id(command.group.as_deref().map(str::to_owned))
        .build()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn queues_are_named_with_their_urls() {
        let read = urls("invoices=https://a/1?x=y,invoices-urgent=http://b/2").unwrap();
        assert_eq!(read["invoices"], "https://a/1?x=y");
        assert_eq!(read["invoices-urgent"], "http://b/2");
        assert!(urls("").unwrap().is_empty());
        for wrong in ["invoices", "=https://a", "invoices=", "https://a/1"] {
            assert!(urls(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_entry_is_the_row_byte_for_byte_with_its_group() {
        let rows =
            crate::outbox::inserted(include_str!("../../../events/relay/good.json")).unwrap();
        let command = rows[0].event.as_ref().unwrap();
        let entry = entry(3, command).unwrap();
        assert_eq!((entry.id(), entry.message_body()), ("3", &*command.body));
        assert_eq!(entry.message_group_id(), Some("user_456"));
        let attributes = entry.message_attributes().unwrap();
        assert_eq!(attributes["type"].string_value(), Some("order.placed"));
        assert_eq!(attributes["version"].data_type(), "Number");
    }
}
