//! The port to the queues that commands are for, and SQS behind it.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use dashpot::{ConfigError, chain};

use crate::fate::{Answer, Fate, is_invalid};
use crate::outbox::{Event, Timing};

/// How long SQS keeps a message back at most:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>.
pub const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// How long after `now` a command is kept back in its queue, in whole seconds, so that it does not arrive too early.
#[must_use]
pub fn delay(command: &Event<'_>, now: u64) -> Duration {
    let due = match command.timing {
        Timing::Now | Timing::Cancels(_) => return Duration::ZERO,
        Timing::Due(due) | Timing::Schedule(_, due) => due,
    };
    Duration::from_secs(due.saturating_sub(now).div_ceil(1000)).min(LONGEST_DELAY)
}

/// Where commands are sent.
pub trait Queues: Send + Sync {
    /// Sends commands that fit into one call to the queue of that logical name, and says of each, in order, what became
    /// of it. A queue that nobody knows will never take them. What is due after `now` arrives then, if that is within
    /// [`LONGEST_DELAY`].
    fn send(
        &self,
        to: &str,
        commands: &[&Event<'_>],
        now: u64,
    ) -> impl Future<Output = Vec<Fate>> + Send;
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
    async fn call(
        &self,
        url: &str,
        commands: &[&Event<'_>],
        now: u64,
    ) -> Result<Vec<Fate>, String> {
        let entries: Result<Vec<_>, BuildError> = commands
            .iter()
            .enumerate()
            .map(|(id, command)| entry(id, command, now))
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
    async fn send(&self, to: &str, commands: &[&Event<'_>], now: u64) -> Vec<Fate> {
        let Some(url) = self.urls.get(to) else {
            return vec![unknown(to); commands.len()];
        };
        if let Ok(fates) = self.call(url, commands, now).await {
            return fates;
        }
        // Something in the call is invalid: each alone, it shows which.
        let mut fates = Vec::with_capacity(commands.len());
        for command in commands {
            match self.call(url, std::slice::from_ref(command), now).await {
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

fn entry(
    id: usize,
    command: &Event<'_>,
    now: u64,
) -> Result<SendMessageBatchRequestEntry, BuildError> {
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
    // A FIFO queue takes no delay of a single message, not even none.
    let delay = Some(delay(command, now)).filter(|delay| !delay.is_zero());
    let delay = delay.and_then(|delay| delay.as_secs().try_into().ok());
    SendMessageBatchRequestEntry::builder()
        .set_delay_seconds(delay)
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
    fn what_is_due_is_kept_back_in_whole_seconds_and_not_longer_than_sqs_can() {
        let rows =
            crate::outbox::inserted(include_str!("../../../events/relay/good.json")).unwrap();
        let due = |due, now| {
            let body = "{}".into();
            let command = Event {
                timing: Timing::Due(due),
                event_type: "a".into(),
                body,
                ..Event::default()
            };
            entry(0, &command, now).unwrap().delay_seconds()
        };
        assert_eq!(due(60_000, 0), Some(60));
        assert_eq!(due(60_001, 0), Some(61));
        assert_eq!(due(60_000, 60_000), None);
        assert_eq!(due(1, 60_000), None);
        assert_eq!(due(u64::MAX, 0), Some(900));
        let at_once = entry(0, rows[0].event.as_ref().unwrap(), 0).unwrap();
        assert_eq!(at_once.delay_seconds(), None);
    }

    #[test]
    fn an_entry_is_the_row_byte_for_byte_with_its_group() {
        let rows =
            crate::outbox::inserted(include_str!("../../../events/relay/good.json")).unwrap();
        let command = rows[0].event.as_ref().unwrap();
        let entry = entry(3, command, 0).unwrap();
        assert_eq!((entry.id(), entry.message_body()), ("3", &*command.body));
        assert_eq!(entry.message_group_id(), Some("user_456"));
        let attributes = entry.message_attributes().unwrap();
        assert_eq!(attributes["type"].string_value(), Some("order.placed"));
        assert_eq!(attributes["version"].data_type(), "Number");
    }
}
