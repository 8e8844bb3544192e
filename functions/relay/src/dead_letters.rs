//! The port to the relay's dead-letter queue, and SQS behind it.

use std::future::Future;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use dashpot::{ConfigError, ParkNote, chain, is_sendable, sendable_json, variable};

use crate::outbox::{Attribute, Event, Inserted};

/// Where rows lie that cannot be published.
pub trait DeadLetters: Send + Sync {
    /// Keeps a row, with its note: the event as it would have been published, or the row as the stream tells it
    /// where there is no event in it.
    ///
    /// # Errors
    /// [`NotParked`] when it is not certain that it lies there.
    fn park(
        &self,
        row: &Inserted<'_>,
        note: &ParkNote<'_>,
    ) -> impl Future<Output = Result<(), NotParked>> + Send;
}

/// The dead-letter queue did not take a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the dead-letter queue failed: {0}")]
pub struct NotParked(pub String);

/// The dead-letter queue on SQS.
#[derive(Debug, Clone)]
pub struct SqsDeadLetters {
    client: Client,
    url: String,
}

impl SqsDeadLetters {
    /// The queue that `DEAD_LETTER_QUEUE_URL` names.
    ///
    /// # Errors
    /// [`ConfigError`] when the variable is not set.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(config),
            url: variable("DEAD_LETTER_QUEUE_URL")?,
        })
    }
}

impl DeadLetters for SqsDeadLetters {
    async fn park(&self, row: &Inserted<'_>, note: &ParkNote<'_>) -> Result<(), NotParked> {
        let note = note.to_json();
        let note = Attribute {
            name: "dashpot",
            data_type: "String",
            value: &note,
        };
        let event = row.event.as_ref().ok();
        // Where a command was to go, so that it can be sent there again.
        let to = event.and_then(|event| event.to.as_deref());
        let to = to.filter(|to| !to.is_empty() && is_sendable(to));
        let to = to.map(|value| Attribute {
            name: "to",
            data_type: "String",
            value,
        });
        // A row that SQS does not take would hold up its shard until the stream forgets it.
        let body = sendable_json(event.map_or(row.raw, |event| event.body.as_ref()));
        let mut request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(body);
        for attribute in event
            .into_iter()
            .flat_map(Event::attributes)
            .chain(to)
            .chain([note])
        {
            let value = MessageAttributeValue::builder()
                .data_type(attribute.data_type)
                .string_value(attribute.value)
                .build()
                .map_err(|error| NotParked(error.to_string()))?;
            request = request.message_attributes(attribute.name, value);
        }
        let sent = request.send().await;
        sent.map(drop).map_err(|error| NotParked(chain(&error)))
    }
}
