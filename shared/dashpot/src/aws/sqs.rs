//! The queue on SQS.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
};

use crate::config::{ConfigError, variable};
use crate::message::{Message, MessageAttribute, is_fifo};
use crate::queue::{ParkNote, ParkedAs, Queue, QueueError};

/// SQS takes at most ten entries in a batch.
const BATCH: usize = 10;

/// SQS takes at most ten attributes with a message.
const MOST_ATTRIBUTES: usize = 10;

/// A consumer's queue and its dead-letter queue.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
    dead_letter_url: String,
}

impl SqsQueue {
    /// The queues at these URLs.
    #[must_use]
    pub fn new(
        config: &SdkConfig,
        url: impl Into<String>,
        dead_letter_url: impl Into<String>,
    ) -> Self {
        Self {
            client: Client::new(config),
            url: url.into(),
            dead_letter_url: dead_letter_url.into(),
        }
    }

    /// The queues that `QUEUE_URL` and `DEAD_LETTER_QUEUE_URL` name.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable is not set.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(
            config,
            variable("QUEUE_URL")?,
            variable("DEAD_LETTER_QUEUE_URL")?,
        ))
    }
}

impl Queue for SqsQueue {
    async fn delay(&self, delays: &[(&str, Duration)]) {
        let requests = delays.chunks(BATCH).map(|chunk| {
            let entries = chunk
                .iter()
                .enumerate()
                .filter_map(|(id, (receipt, delay))| {
                    ChangeMessageVisibilityBatchRequestEntry::builder()
                        .id(id.to_string())
                        .receipt_handle(*receipt)
                        .visibility_timeout(i32::try_from(delay.as_secs()).unwrap_or(i32::MAX))
                        .build()
                        .ok()
                });
            self.client
                .change_message_visibility_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect()))
                .send()
        });
        // What fails here comes back when its visibility time-out ends.
        futures_util::future::join_all(requests).await;
    }

    async fn delete(&self, receipts: &[&str]) -> Result<(), QueueError> {
        for chunk in receipts.chunks(BATCH) {
            let entries = chunk
                .iter()
                .enumerate()
                .map(|(id, receipt)| {
                    DeleteMessageBatchRequestEntry::builder()
                        .id(id.to_string())
                        .receipt_handle(*receipt)
                        .build()
                })
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| QueueError(error.to_string()))?;
            let answer = self
                .client
                .delete_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|error| QueueError(crate::failure::chain(&error)))?;
            if let Some(failed) = answer.failed().first() {
                return Err(QueueError(format!("not deleted: {}", failed.code())));
            }
        }
        Ok(())
    }

    async fn park(&self, message: &Message<'_>, note: &ParkNote<'_>) -> Result<(), QueueError> {
        let mut attributes = message.sender_attributes();
        attributes.insert(
            "dashpot".to_owned(),
            MessageAttribute {
                data_type: "String".to_owned(),
                string_value: Some(note.to_json()),
                binary_value: None,
            },
        );
        if attributes.len() > MOST_ATTRIBUTES {
            return Err(QueueError(format!(
                "the sender's attributes leave no room for the note: SQS takes {MOST_ATTRIBUTES}"
            )));
        }
        let parked_as = ParkedAs::of(message, is_fifo(&self.dead_letter_url));
        let mut request = self
            .client
            .send_message()
            .queue_url(&self.dead_letter_url)
            .set_message_group_id(parked_as.group.map(str::to_owned))
            .set_message_deduplication_id(parked_as.deduplication_id.map(str::to_owned))
            .message_body(message.body.as_ref());
        for (name, attribute) in attributes {
            if let Some(attribute) = to_sqs(attribute) {
                request = request.message_attributes(name, attribute);
            }
        }
        request
            .send()
            .await
            .map_err(|error| QueueError(crate::failure::chain(&error)))?;
        Ok(())
    }
}

/// None of what cannot be read: it must not keep the rest from being parked.
fn to_sqs(attribute: MessageAttribute) -> Option<MessageAttributeValue> {
    let binary = match attribute.binary_value {
        Some(text) => Some(aws_smithy_types::base64::decode(text).ok()?),
        None => None,
    };
    MessageAttributeValue::builder()
        .data_type(attribute.data_type)
        .set_string_value(attribute.string_value)
        .set_binary_value(binary.map(Blob::new))
        .build()
        .ok()
}
