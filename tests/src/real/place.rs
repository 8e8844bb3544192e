//! A table and a queue of one's own.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use dashpot::DynamoStore;
use serde_json::{Value, json};

/// A row, by attribute.
pub type Row = HashMap<String, AttributeValue>;

/// Where one scenario takes place: a table, a queue, and its dead-letter queue. Nobody else knows of them.
#[derive(Debug, Clone)]
pub struct Place {
    /// The table's name.
    pub table: String,
    /// The queue's URL.
    pub queue: String,
    /// The dead-letter queue's URL.
    pub dead_letters: String,
    queue_name: String,
    visibility: Duration,
    pub(super) sqs: aws_sdk_sqs::Client,
    dynamo: aws_sdk_dynamodb::Client,
}

impl Place {
    /// Makes them, by this name, with the stack's form of keys and its redrive policy, and checkout's index `pending`.
    ///
    /// # Errors
    /// The emulator does not make them.
    pub async fn make(config: &SdkConfig, name: &str, visibility: Duration) -> Result<Self> {
        let sqs = aws_sdk_sqs::Client::new(config);
        let dynamo = aws_sdk_dynamodb::Client::new(config);
        let key = |name: &str, kind| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
        };
        let attribute = |name: &str, kind| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
        };
        let pending = GlobalSecondaryIndex::builder()
            .index_name("pending")
            .key_schema(key("pending", KeyType::Hash)?)
            .key_schema(key("due", KeyType::Range)?)
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::All)
                    .build(),
            )
            .build()?;
        dynamo
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key("pk", KeyType::Hash)?)
            .key_schema(key("sk", KeyType::Range)?)
            .attribute_definitions(attribute("pk", ScalarAttributeType::S)?)
            .attribute_definitions(attribute("sk", ScalarAttributeType::S)?)
            .attribute_definitions(attribute("pending", ScalarAttributeType::S)?)
            .attribute_definitions(attribute("due", ScalarAttributeType::N)?)
            .global_secondary_indexes(pending)
            .send()
            .await
            .context("no table")?;
        let place = Self {
            table: name.to_owned(),
            queue: String::new(),
            dead_letters: String::new(),
            queue_name: String::new(),
            visibility,
            sqs,
            dynamo,
        };
        place.beside(name).await
    }

    /// The same table, with other queues.
    ///
    /// # Errors
    /// The emulator does not make them.
    pub async fn beside(&self, name: &str) -> Result<Self> {
        let dead_letters = self
            .sqs
            .create_queue()
            .queue_name(format!("{name}-dead-letters"))
            .send()
            .await
            .context("no dead-letter queue")?;
        let redrive = json!({
            "deadLetterTargetArn": arn(&format!("{name}-dead-letters")), "maxReceiveCount": 60,
        });
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" },
                "Action": "sqs:SendMessage", "Resource": arn(name),
            }],
        });
        let seconds = self.visibility.as_secs().to_string();
        let queue = self
            .sqs
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::VisibilityTimeout, seconds)
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
            .attributes(QueueAttributeName::Policy, policy.to_string())
            .send()
            .await
            .context("no queue")?;
        Ok(Self {
            queue: queue.queue_url.context("no URL")?,
            dead_letters: dead_letters.queue_url.context("no URL")?,
            queue_name: name.to_owned(),
            ..self.clone()
        })
    }

    /// The table, as a function has it.
    #[must_use]
    pub fn store(&self, config: &SdkConfig) -> DynamoStore {
        DynamoStore::new(config, &self.table)
    }

    /// The queue's ARN.
    #[must_use]
    pub fn queue_arn(&self) -> String {
        arn(&self.queue_name)
    }

    /// The variables by which a consumer finds them.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        [
            ("TABLE_NAME", &self.table),
            ("QUEUE_URL", &self.queue),
            ("DEAD_LETTER_QUEUE_URL", &self.dead_letters),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .into()
    }

    /// Puts bodies into the queue, ten at a time.
    ///
    /// # Errors
    /// The queue does not take them.
    pub async fn send(&self, bodies: &[String]) -> Result<()> {
        use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
        for chunk in bodies.chunks(10) {
            let entries = chunk.iter().enumerate().map(|(id, body)| {
                SendMessageBatchRequestEntry::builder()
                    .id(id.to_string())
                    .message_body(body)
                    .build()
            });
            let entries = entries.collect::<Result<_, _>>()?;
            let sending = self.sqs.send_message_batch().queue_url(&self.queue);
            let answer = sending.set_entries(Some(entries)).send().await?;
            anyhow::ensure!(answer.failed().is_empty(), "{:?}", answer.failed());
        }
        Ok(())
    }

    /// Takes up to ten messages, as a poller of the mapping does.
    ///
    /// # Errors
    /// The queue does not answer.
    pub async fn receive(&self) -> Result<Vec<Message>> {
        receive(&self.sqs, &self.queue).await
    }

    /// How many messages are in the queue: visible, in flight, delayed.
    ///
    /// # Errors
    /// The queue does not answer.
    pub async fn depth(&self) -> Result<usize> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let asking = self.sqs.get_queue_attributes().queue_url(&self.queue);
        let answer = asking
            .set_attribute_names(Some(names.into()))
            .send()
            .await?;
        let numbers = answer.attributes.unwrap_or_default().into_values();
        Ok(numbers
            .filter_map(|number| number.parse::<usize>().ok())
            .sum())
    }

    /// Takes everything out of the dead-letter queue: each body, with its note.
    ///
    /// # Errors
    /// The queue does not answer.
    pub async fn take_dead_letters(&self) -> Result<Vec<(String, Value)>> {
        let mut taken = Vec::new();
        loop {
            let messages = receive(&self.sqs, &self.dead_letters).await?;
            if messages.is_empty() {
                return Ok(taken);
            }
            for message in messages {
                let note = message
                    .message_attributes
                    .as_ref()
                    .and_then(|all| all.get("dashpot"));
                let note = note.and_then(|note| note.string_value()).unwrap_or("null");
                let note = serde_json::from_str(note)?;
                taken.push((message.body.clone().unwrap_or_default(), note));
                let deleting = self.sqs.delete_message().queue_url(&self.dead_letters);
                deleting
                    .set_receipt_handle(message.receipt_handle)
                    .send()
                    .await?;
            }
        }
    }

    /// All rows whose partition key starts so.
    ///
    /// # Errors
    /// The table does not answer.
    pub async fn rows(&self, prefix: &str) -> Result<Vec<Row>> {
        let scan = self
            .dynamo
            .scan()
            .table_name(&self.table)
            .consistent_read(true);
        let mut pages = scan
            .filter_expression("begins_with(pk, :prefix)")
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
            .into_paginator()
            .send();
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await {
            rows.extend(page?.items.into_iter().flatten());
        }
        Ok(rows)
    }

    /// Puts a row with one number.
    ///
    /// # Errors
    /// The table does not take it.
    pub async fn put(&self, pk: &str, name: &str, number: i64) -> Result<()> {
        let putting = self.dynamo.put_item().table_name(&self.table);
        putting
            .item("pk", AttributeValue::S(pk.to_owned()))
            .item("sk", AttributeValue::S("-".to_owned()))
            .item(name, AttributeValue::N(number.to_string()))
            .send()
            .await?;
        Ok(())
    }
}

/// A row's attribute as text, whether text or number; empty where there is none.
#[must_use]
pub fn attribute<'a>(row: &'a Row, name: &str) -> &'a str {
    match row.get(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => text,
        _ => "",
    }
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

async fn receive(sqs: &aws_sdk_sqs::Client, queue: &str) -> Result<Vec<Message>> {
    let answer = sqs
        .receive_message()
        .queue_url(queue)
        .max_number_of_messages(10)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All")
        .send()
        .await?;
    Ok(answer.messages.unwrap_or_default())
}
