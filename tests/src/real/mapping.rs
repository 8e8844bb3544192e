//! The event source mapping between a real queue and a real process.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageAttributeValue};
use dashpot_testing::{Invoked, LambdaHost, Verdict};
use serde_json::{Value, json};

use super::place::Place;

/// What became of one batch.
#[derive(Debug)]
pub struct Delivered {
    /// Receives of each message, this one included, by body.
    pub receives: Vec<(String, u32)>,
    /// How the invocation ended.
    pub invoked: Invoked,
    /// How many of the messages were deleted.
    pub done: usize,
}

/// One batch: receive, invoke, delete what [is positively done]. None when nothing is there to receive.
///
/// [is positively done]: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
///
/// # Errors
/// The queue does not answer.
pub async fn deliver(place: &Place, host: &LambdaHost) -> Result<Option<Delivered>> {
    let messages = place.receive().await?;
    if messages.is_empty() {
        return Ok(None);
    }
    let invoked = host.invoke(&event(&messages, &place.queue_arn())).await;
    let done = match &invoked {
        Invoked::Answer(answer) => done(answer, &messages),
        // Nothing is deleted: all of it comes back when its visibility timeout ends.
        _ => Vec::new(),
    };
    if !done.is_empty() {
        let entries = done.iter().enumerate().map(|(id, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(message.receipt_handle().unwrap_or_default())
                .build()
        });
        let entries = entries.collect::<Result<_, _>>()?;
        let deleting = place.sqs.delete_message_batch().queue_url(&place.queue);
        // What the function has deleted itself is deleted.
        deleting.set_entries(Some(entries)).send().await?;
    }
    let done = done.len();
    let receives = messages.iter().map(|message| {
        let body = message.body().unwrap_or_default().to_owned();
        (body, attempt(message))
    });
    Ok(Some(Delivered {
        receives: receives.collect(),
        invoked,
        done,
    }))
}

fn attempt(message: &Message) -> u32 {
    let attributes = system_attributes(message);
    let count = attributes.get("ApproximateReceiveCount");
    count
        .and_then(|count| count.parse().ok())
        .unwrap_or_default()
}

/// The messages that an answer says are done.
fn done<'a>(answer: &str, messages: &'a [Message]) -> Vec<&'a Message> {
    let ids: BTreeSet<&str> = messages.iter().filter_map(Message::message_id).collect();
    let back = match Verdict::of(answer, |id| ids.contains(id)) {
        Verdict::Success => BTreeSet::new(),
        Verdict::Partial(failed) => failed,
        Verdict::Failure(_) => return Vec::new(),
    };
    let is_done = |message: &&Message| message.message_id().is_some_and(|id| !back.contains(id));
    messages.iter().filter(is_done).collect()
}

fn system_attributes(message: &Message) -> BTreeMap<&str, &str> {
    let attributes = message.attributes.iter().flatten();
    attributes
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn event(messages: &[Message], arn: &str) -> String {
    let records = messages.iter().map(|message| {
        let attributes = message.message_attributes.iter().flatten();
        let attributes: BTreeMap<_, _> = attributes
            .map(|(name, value)| (name, attribute(value)))
            .collect();
        json!({
            "messageId": message.message_id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": system_attributes(message),
            "messageAttributes": attributes,
            "md5OfBody": message.md5_of_body,
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": "us-east-1",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() }).to_string()
}

fn attribute(value: &MessageAttributeValue) -> Value {
    json!({
        "stringValue": value.string_value,
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value.data_type,
    })
}
