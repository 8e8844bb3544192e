//! Messages on their way in and out, and what SQS takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dashpot::{MessageAttribute, is_sendable};

use super::error::SqsError;

/// The largest message, and the largest batch of messages, attributes included, in bytes: 1 MiB.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const LARGEST_MESSAGE: usize = 1024 * 1024;

/// The most attributes of a message.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
pub const MOST_ATTRIBUTES: usize = 10;

const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// A message to be sent.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// The body: at least one character.
    pub body: String,
    /// What the sender adds; ten at most.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// The message group: on a FIFO queue what comes in order, on a standard queue whose messages they are (fair
    /// queues).
    pub group: Option<String>,
    /// FIFO only: the same id within five minutes is accepted and discarded.
    pub deduplication_id: Option<String>,
    /// Standard only: how long it is hidden at first, at most 15 minutes; the queue's own delay by default.
    pub delay: Option<Duration>,
}

impl Outgoing {
    /// A body, and nothing else.
    pub fn new(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }

    /// With a text attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        let attribute = MessageAttribute {
            data_type: "String".to_owned(),
            string_value: Some(value.to_owned()),
            binary_value: None,
        };
        self.attributes.insert(name.to_owned(), attribute);
        self
    }

    /// In a message group.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// With a deduplication id.
    #[must_use]
    pub fn deduplication_id(mut self, id: impl Into<String>) -> Self {
        self.deduplication_id = Some(id.into());
        self
    }

    /// Hidden at first for so long.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Its size as SQS counts it, in bytes: body, and name, type and value of each attribute.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let attributes: usize = self
            .attributes
            .iter()
            .map(|(name, attribute)| {
                let text = attribute.string_value.as_ref().map_or(0, String::len);
                // Base64 is a third longer than what it stands for.
                let binary = attribute.binary_value.as_ref();
                let binary = binary.map_or(0, |text| text.trim_end_matches('=').len() * 3 / 4);
                name.len() + attribute.data_type.len() + text + binary
            })
            .sum();
        self.body.len() + attributes
    }

    /// What `SendMessage` refuses.
    pub(super) fn check(&self, fifo: bool) -> Result<(), SqsError> {
        let invalid = |what: String| Err(SqsError::InvalidParameterValue(what));
        if self.body.is_empty() {
            return Err(SqsError::MissingParameter("MessageBody".into()));
        }
        if self.attributes.len() > MOST_ATTRIBUTES {
            return invalid(format!("{} message attributes", self.attributes.len()));
        }
        for (name, attribute) in &self.attributes {
            check_attribute(name, attribute)?;
        }
        if !is_sendable(&self.body) {
            return Err(SqsError::InvalidMessageContents);
        }
        if self.bytes() > LARGEST_MESSAGE {
            return invalid(format!("the message has {} bytes", self.bytes()));
        }
        if self.group.as_deref().is_some_and(|group| !is_token(group)) {
            return invalid("MessageGroupId is 1 to 128 letters, digits and punctuation".into());
        }
        match (fifo, &self.deduplication_id) {
            (true, Some(id)) if !is_token(id) => {
                return invalid(
                    "MessageDeduplicationId is 1 to 128 letters, digits and punctuation".into(),
                );
            }
            (true, None) => return invalid("a FIFO queue needs a MessageDeduplicationId".into()),
            (false, Some(_)) => return invalid("MessageDeduplicationId is for FIFO queues".into()),
            _ => {}
        }
        if fifo && self.group.is_none() {
            return Err(SqsError::MissingParameter("MessageGroupId".into()));
        }
        match self.delay {
            Some(_) if fifo => invalid("a FIFO queue delays as a whole".into()),
            Some(delay) if delay > LONGEST_DELAY => invalid("DelaySeconds is 0 to 900".into()),
            _ => Ok(()),
        }
    }
}

/// 1 to 128 letters, digits and punctuation.
fn is_token(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

fn check_attribute(name: &str, attribute: &MessageAttribute) -> Result<(), SqsError> {
    let invalid = |what: &str| {
        Err(SqsError::InvalidParameterValue(format!(
            "attribute `{name}`: {what}"
        )))
    };
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let lower = name.to_ascii_lowercase();
    if !(1..=256).contains(&name.len())
        || !name.chars().all(letter)
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains("..")
        || lower.starts_with("aws.")
        || lower.starts_with("amazon.")
    {
        return invalid("its name is not allowed");
    }
    let kind = attribute.data_type.split('.').next().unwrap_or_default();
    let value = match kind {
        "String" | "Number" => &attribute.string_value,
        "Binary" => &attribute.binary_value,
        _ => return invalid("its type is none of String, Number, Binary"),
    };
    let Some(value) = value.as_ref().filter(|value| !value.is_empty()) else {
        return invalid("its value is empty");
    };
    if !is_sendable(value) {
        return invalid("a character that is not allowed");
    }
    if kind == "Number" && value.parse::<f64>().is_err() {
        return invalid("it is no number");
    }
    Ok(())
}

/// A message that a queue has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// SQS's id of it.
    pub message_id: String,
    /// Its body.
    pub body: String,
    /// MD5 of the body, in hexadecimal.
    pub md5: String,
    /// What the sender added.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// Its message group.
    pub group: Option<String>,
    /// FIFO only.
    pub deduplication_id: Option<String>,
    /// FIFO only: larger than that of every earlier message.
    pub sequence_number: Option<String>,
    /// When it was sent, in milliseconds since the Unix epoch.
    pub sent: u64,
    /// The ARN of the queue that gave it up, in a dead-letter queue.
    pub dead_letter_source: Option<String>,
}

/// One delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What was delivered.
    pub message: Arc<Message>,
    /// What deletes this delivery, or changes its visibility; the next delivery has another.
    pub receipt: String,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When it was first received, in milliseconds since the Unix epoch.
    pub first_received: u64,
}

/// A message as it lies in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The message.
    pub message: Arc<Message>,
    /// How often it was received.
    pub receive_count: u32,
    /// Where it stands.
    pub standing: Standing,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can be received.
    Visible,
    /// It was sent with a delay.
    Delayed,
    /// Somebody received it, and has not deleted it.
    InFlight,
}
