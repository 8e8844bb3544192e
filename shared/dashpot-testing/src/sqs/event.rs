//! A batch as a function gets it.

use std::collections::BTreeMap;

use dashpot::MessageAttribute;
use serde::Serialize;

use super::message::Received;
use crate::function::LARGEST_PAYLOAD;

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: Attributes<'a>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    md5_of_body: &'a str,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes<'a> {
    approximate_receive_count: String,
    sent_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<&'a str>,
    sender_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_deduplication_id: Option<&'a str>,
    approximate_first_receive_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_queue_source_arn: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<&'a str>,
    string_list_values: [&'static str; 0],
    binary_list_values: [&'static str; 0],
    data_type: &'a str,
}

impl<'a> From<&'a MessageAttribute> for Attribute<'a> {
    fn from(attribute: &'a MessageAttribute) -> Self {
        Self {
            string_value: attribute.string_value.as_deref(),
            binary_value: attribute.binary_value.as_deref(),
            string_list_values: [],
            binary_list_values: [],
            data_type: &attribute.data_type,
        }
    }
}

/// One message as a record of an event.
pub(super) fn record(received: &Received, arn: &str) -> String {
    let message = &received.message;
    let record = Record {
        message_id: &message.message_id,
        receipt_handle: &received.receipt,
        body: &message.body,
        attributes: Attributes {
            approximate_receive_count: received.receive_count.to_string(),
            sent_timestamp: message.sent.to_string(),
            sequence_number: message.sequence_number.as_deref(),
            message_group_id: message.group.as_deref(),
            sender_id: "AIDAIENQZJOLO23YVJ4VO",
            message_deduplication_id: message.deduplication_id.as_deref(),
            approximate_first_receive_timestamp: received.first_received.to_string(),
            dead_letter_queue_source_arn: message.dead_letter_source.as_deref(),
        },
        message_attributes: message
            .attributes
            .iter()
            .map(|(name, attribute)| (name.as_str(), attribute.into()))
            .collect(),
        md5_of_body: &message.md5,
        event_source: "aws:sqs",
        event_source_arn: arn,
        aws_region: "eu-central-1",
    };
    // Texts and maps with text keys: nothing that serde_json could refuse.
    serde_json::to_string(&record).unwrap_or_default()
}

const OPENING: &str = "{\"Records\":[";
const CLOSING: &str = "]}";

/// An event that grows by records.
#[derive(Debug)]
pub(crate) struct Event(String);

impl Event {
    pub(crate) fn new() -> Self {
        Self(OPENING.to_owned())
    }

    /// Adds a record, if the event stays within what Lambda takes; whether it did.
    pub(crate) fn add(&mut self, record: &str) -> bool {
        let separated = usize::from(self.0.len() > OPENING.len());
        if self.0.len() + separated + record.len() + CLOSING.len() > LARGEST_PAYLOAD {
            return false;
        }
        if separated > 0 {
            self.0.push(',');
        }
        self.0.push_str(record);
        true
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str(CLOSING);
        self.0
    }
}
