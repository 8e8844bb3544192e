//! The event source mapping between a real queue and a real process.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageAttributeValue};
use dashpot_testing::{Invoked, LambdaHost};
use serde::Deserialize;
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

/// The messages that an answer says are done: none of them, where it is not exactly what Lambda asks for.
fn done<'a>(answer: &str, messages: &'a [Message]) -> Vec<&'a Message> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        batch_item_failures: Option<Vec<Failure>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Failure {
        item_identifier: String,
    }
    // `null` is complete success too.
    let Ok(answer) = serde_json::from_str::<Option<Answer>>(answer) else {
        return Vec::new();
    };
    let failures = answer
        .and_then(|answer| answer.batch_item_failures)
        .unwrap_or_default();
    let failed: BTreeSet<&str> = failures
        .iter()
        .map(|failure| failure.item_identifier.as_str())
        .collect();
    let ids: BTreeSet<&str> = messages.iter().filter_map(Message::message_id).collect();
    if !failed.is_subset(&ids) {
        return Vec::new();
    }
    let is_done = |message: &&Message| message.message_id().is_some_and(|id| !failed.contains(id));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_answer_leaves_out_is_done_and_nothing_where_it_is_not_understood() {
        let messages: Vec<Message> = ["a", "b"]
            .map(|id| Message::builder().message_id(id).build())
            .into();
        for (answer, expected) in [
            ("null", 2),
            ("{}", 2),
            (r#"{"batchItemFailures":null}"#, 2),
            (r#"{"batchItemFailures":[]}"#, 2),
            (r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#, 1),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}"#,
                0,
            ),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, 0),
            (r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, 0),
            (r#"{"batchItemFailures":[{"itemId":"a"}]}"#, 0),
            (r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#, 0),
            ("done", 0),
            ("", 0),
        ] {
            assert_eq!(done(answer, &messages).len(), expected, "{answer}");
        }
    }
}
