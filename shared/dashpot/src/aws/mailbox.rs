//! A mailbox on SQS.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageAttributeValue, QueueAttributeName,
};

use crate::id::new_id;
use crate::request::{Mailbox, MailboxError, Outgoing, Reply};

/// How long an answer is kept that nobody collects, in seconds: SQS's shortest.
const KEPT_SECONDS: &str = "60";

/// How long a receive waits, in seconds: less than [an attempt](super::config) may take.
const LONG_POLL: i32 = 2;

/// Requests go to a queue that is there; answers come to one of the process's own.
#[derive(Debug, Clone)]
pub struct SqsMailbox {
    client: Client,
    requests: String,
    replies: String,
    name: String,
}

impl SqsMailbox {
    /// Makes a queue for answers, whose name begins as whoever answers expects it.
    ///
    /// # Errors
    /// [`MailboxError`] when it cannot be made.
    pub async fn open(
        config: &SdkConfig,
        requests: impl Into<String>,
        prefix: &str,
    ) -> Result<Self, MailboxError> {
        let client = Client::new(config);
        let name = format!("{prefix}{}", new_id(crate::now()));
        let create = client
            .create_queue()
            .queue_name(&name)
            .attributes(QueueAttributeName::MessageRetentionPeriod, KEPT_SECONDS)
            .attributes(QueueAttributeName::SqsManagedSseEnabled, "true");
        let created = create.send().await.map_err(|error| failed(&error))?;
        let replies = created.queue_url.unwrap_or_default();
        Ok(Self {
            client,
            requests: requests.into(),
            replies,
            name,
        })
    }

    /// Deletes the queue for answers. One whose process was killed stays, empty after a minute, until somebody deletes it.
    ///
    /// # Errors
    /// [`MailboxError`] when it may still be there.
    pub async fn close(&self) -> Result<(), MailboxError> {
        let delete = self.client.delete_queue().queue_url(&self.replies);
        delete
            .send()
            .await
            .map(drop)
            .map_err(|error| failed(&error))
    }
}

fn failed<E: std::error::Error + 'static>(error: &E) -> MailboxError {
    MailboxError(crate::chain(error))
}

impl Mailbox for SqsMailbox {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, request: &Outgoing<'_>) -> Result<(), MailboxError> {
        let attribute = |data_type: &str, value: &str| {
            let attribute = MessageAttributeValue::builder().data_type(data_type);
            attribute.string_value(value).build().ok()
        };
        let attributes = [
            ("type", attribute("String", request.event_type)),
            ("version", attribute("Number", &request.version.to_string())),
            ("correlationId", attribute("String", request.correlation_id)),
        ];
        let attributes = attributes
            .into_iter()
            .filter_map(|(name, attribute)| Some((name.to_owned(), attribute?)));
        let send = self
            .client
            .send_message()
            .queue_url(&self.requests)
            .message_body(&request.body)
            .set_message_attributes(Some(attributes.collect()))
            .message_group_id(&request.group);
        send.send().await.map(drop).map_err(|error| failed(&error))
    }

    async fn receive(&self) -> Result<Vec<Reply>, MailboxError> {
        let receive = self
            .client
            .receive_message()
            .queue_url(&self.replies)
            .max_number_of_messages(10)
            .wait_time_seconds(LONG_POLL);
        let received = receive.send().await.map_err(|error| failed(&error))?;
        let replies = received.messages.unwrap_or_default().into_iter();
        let reply = |message: aws_sdk_sqs::types::Message| {
            Some(Reply {
                receipt: message.receipt_handle?,
                body: message.body?,
            })
        };
        Ok(replies.filter_map(reply).collect())
    }

    async fn delete(&self, receipts: &[&str]) {
        let entries = receipts.iter().enumerate().filter_map(|(id, receipt)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
            entry.receipt_handle(*receipt).build().ok()
        });
        let delete = self.client.delete_message_batch().queue_url(&self.replies);
        // What is left comes again.
        let _ = delete.set_entries(Some(entries.collect())).send().await;
    }
}
