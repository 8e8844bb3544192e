//! A record of an SQS event, viewed where it lies.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use dashpot_envelope::Malformed;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::salvage::salvage;
use crate::scan::records;

/// What Lambda hands over: the records of one batch, viewed in the event's text.
#[derive(Debug, Deserialize)]
pub(crate) struct SqsEvent<'a> {
    #[serde(rename = "Records", borrow)]
    pub(crate) records: Vec<Message<'a>>,
}

/// One message as SQS delivered it.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message<'a> {
    /// SQS's own id of the message: what the response names. A redrive changes it.
    #[serde(borrow)]
    pub message_id: Cow<'a, str>,
    /// What deletes this delivery of it, or changes its visibility.
    #[serde(borrow, default)]
    pub receipt_handle: Cow<'a, str>,
    /// The body.
    #[serde(borrow, default)]
    pub body: Cow<'a, str>,
    /// What SQS says about the delivery.
    #[serde(borrow, default)]
    pub attributes: Attributes<'a>,
    /// What the sender added, as JSON: read only when it is needed.
    #[serde(borrow, default, deserialize_with = "raw_text")]
    pub message_attributes: Option<&'a str>,
    /// The queue's ARN.
    #[serde(rename = "eventSourceARN", borrow, default)]
    pub source_arn: Cow<'a, str>,
    /// Why the body is none; such a message is malformed, whatever its consumer takes.
    #[serde(skip)]
    pub(crate) defect: Option<String>,
}

impl<'a> SqsEvent<'a> {
    /// Reads the payload of an invocation in one pass. One that is not as SQS sends it is read again, by serde, and
    /// where that fails once more, with patience: a record that cannot be read is a verdict about its own message.
    pub(crate) fn read(payload: &'a str) -> Result<Self, Malformed> {
        if let Some(records) = records(payload) {
            return Ok(Self { records });
        }
        strict_json::from_str(payload).or_else(|error| {
            let records = salvage(payload).ok_or(error)?;
            Ok(Self { records })
        })
    }
}

/// Whether the ARN or URL is a FIFO queue's: its name, and no other, ends so.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fifo-queues.html>
pub(crate) fn is_fifo(queue: &str) -> bool {
    queue.strip_suffix(".fifo").is_some()
}

fn raw_text<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a str>, D::Error> {
    let raw: Option<&RawValue> = Deserialize::deserialize(deserializer)?;
    Ok(raw.map(RawValue::get))
}

/// Without body and attributes: they may be personal.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("message_id", &self.message_id)
            .field("source_arn", &self.source_arn)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

/// What SQS says about a delivery; numbers are texts there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attributes<'a> {
    /// How often it was received, this time included.
    #[serde(borrow, default)]
    pub approximate_receive_count: Cow<'a, str>,
    /// When it was first received, in milliseconds since the Unix epoch.
    #[serde(borrow, default)]
    pub approximate_first_receive_timestamp: Cow<'a, str>,
    /// The message group: what comes in order on a FIFO queue, whose it is on a standard one (fair queues).
    #[serde(borrow, default)]
    pub message_group_id: Cow<'a, str>,
}

impl Message<'_> {
    /// How often it was received, this time included; 1 where nothing is said.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attributes
            .approximate_receive_count
            .parse()
            .unwrap_or(1)
    }

    /// When it was first received, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn first_received(&self) -> Option<u64> {
        self.attributes
            .approximate_first_receive_timestamp
            .parse()
            .ok()
    }

    /// The message group; none where the sender gave it none.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        Some(self.attributes.message_group_id.as_ref()).filter(|group| !group.is_empty())
    }

    /// Whether it came from a FIFO queue.
    pub(crate) fn is_fifo(&self) -> bool {
        is_fifo(&self.source_arn)
    }

    /// The text that was sent: the body, or what lies in it where SNS wrapped it (no raw delivery).
    #[must_use]
    pub fn content(&self) -> Cow<'_, str> {
        #[derive(Deserialize)]
        struct Notification<'a> {
            #[serde(rename = "Type", borrow)]
            kind: Cow<'a, str>,
            #[serde(rename = "TopicArn")]
            _topic: serde::de::IgnoredAny,
            #[serde(rename = "Message", borrow)]
            message: Cow<'a, str>,
        }

        // The search is what keeps the common case, raw delivery, at one pass over the body.
        if self.body.contains("\"TopicArn\"")
            && let Ok(wrapped) = strict_json::from_str::<Notification<'_>>(&self.body)
            && wrapped.kind == "Notification"
        {
            return wrapped.message;
        }
        Cow::Borrowed(&self.body)
    }
}

/// An attribute that a sender added.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, perhaps with a custom label.
    pub data_type: String,
    /// The value of a String or Number.
    #[serde(default)]
    pub string_value: Option<String>,
    /// The value of a Binary, in Base64.
    #[serde(default)]
    pub binary_value: Option<String>,
}

impl Message<'_> {
    /// What the sender added, by name, without what cannot be read or has no value.
    #[must_use]
    pub fn sender_attributes(&self) -> BTreeMap<String, MessageAttribute> {
        let all: BTreeMap<String, &RawValue> = self
            .message_attributes
            .and_then(|raw| strict_json::from_str(raw).ok())
            .unwrap_or_default();
        let read = |(name, raw): (String, &RawValue)| {
            let attribute: MessageAttribute = strict_json::from_str(raw.get()).ok()?;
            let has_value = attribute.string_value.is_some() || attribute.binary_value.is_some();
            has_value.then_some((name, attribute))
        };
        all.into_iter().filter_map(read).collect()
    }

    /// The text of one attribute that the sender added.
    pub(crate) fn text_attribute(&self, name: &str) -> Option<String> {
        // The search keeps the usual case, no such attribute, from parsing them all.
        self.message_attributes
            .filter(|raw| raw.contains(name))
            .and_then(|_| self.sender_attributes().remove(name)?.string_value)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn message(body: &str) -> Message<'_> {
        let mut message: Message<'_> = serde_json::from_str(r#"{"messageId":"m"}"#).unwrap();
        message.body = Cow::Borrowed(body);
        message
    }

    #[test]
    fn a_record_as_lambda_sends_it_is_viewed() {
        let event: SqsEvent<'_> = serde_json::from_str(
            r#"{"Records":[{"messageId":"m-1","receiptHandle":"r-1","body":"{\"a\":1}",
            "attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1","SenderId":"s","ApproximateFirstReceiveTimestamp":"1732464000000"},
            "messageAttributes":{"type":{"stringValue":"order.placed","stringListValues":[],"binaryListValues":[],"dataType":"String"}},
            "md5OfBody":"x","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:eu-central-1:1:q","awsRegion":"eu-central-1"}]}"#,
        )
        .unwrap();
        let message = &event.records[0];
        assert_eq!(
            (message.attempt(), message.first_received()),
            (3, Some(1_732_464_000_000))
        );
        assert_eq!(message.content(), r#"{"a":1}"#);
        assert_eq!(
            message.sender_attributes()["type"].string_value.as_deref(),
            Some("order.placed")
        );
    }

    #[test]
    fn one_unreadable_attribute_costs_no_other() {
        let mut message = message("b");
        message.message_attributes = Some(
            r#"{"type":{"stringValue":"order.placed","dataType":"String"},
            "raw":{"binaryValue":"AQI=","dataType":"Binary"},
            "number":{"stringValue":7,"dataType":"Number"},"untyped":{"stringValue":"x"},
            "empty":{"stringValue":null,"dataType":"String"},"none":null}"#,
        );
        let attributes = message.sender_attributes();
        assert_eq!(
            attributes.keys().collect::<Vec<_>>(),
            ["raw", "type"],
            "{attributes:?}"
        );
    }

    #[test]
    fn a_body_is_not_printed() {
        let text = format!("{:?}", message("ada@example.com"));
        assert!(text.contains("\"m\"") && !text.contains("ada"), "{text}");
    }

    #[test]
    fn what_sns_wrapped_is_unwrapped() {
        let body = r#"{"Type":"Notification","MessageId":"x","TopicArn":"arn:aws:sns:…","Message":"{\"a\":\"b\"}"}"#;
        assert_eq!(message(body).content(), r#"{"a":"b"}"#);
    }

    #[test]
    fn what_only_looks_wrapped_is_left_alone() {
        for body in [
            r#"{"Type":"Other","TopicArn":"t","Message":"m"}"#,
            r#"{"TopicArn":"t","Message":"m"}"#,
            r#"{"Type":"Notification","TopicArn":"t","Message":{"a":1}}"#,
            r#""TopicArn""#,
        ] {
            assert_eq!(message(body).content(), body);
        }
    }
}
