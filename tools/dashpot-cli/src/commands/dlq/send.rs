//! Where a dead letter was to go: its service's queue or, from the relay, the topic; a command the queue that it names.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use aws_sdk_sns::types::{MessageAttributeValue as TopicAttribute, PublishBatchRequestEntry};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use uuid::Uuid;

use super::parked::Parked;
use super::reading::DeadLetterQueue;
use super::resend::{Ends, Letter};
use crate::aws::Explained;
use crate::target::Target;

/// The service that has no queue: what it could not publish lies in its dead-letter queue.
const RELAY: &str = "relay";

/// The attribute of a parked command that names its queue.
const TO: &str = "to";

/// The most bytes that a `SendMessageBatch` takes: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
const QUEUE_ROOM: usize = 1024 * 1024;

/// The most bytes that a `PublishBatch` takes: <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>
const TOPIC_ROOM: usize = 256 * 1024;

/// A dead-letter queue and where its letters were to go.
#[derive(Debug)]
pub(super) struct Route<'a> {
    pub(super) from: &'a DeadLetterQueue,
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    Queue(aws_sdk_sqs::Client, String),
    Topic {
        client: aws_sdk_sns::Client,
        arn: String,
        /// For commands, which are for one receiver and not for everybody: each service's queue.
        queues: BTreeMap<String, String>,
    },
}

impl<'a> Route<'a> {
    pub(super) fn of(target: &Target, from: &'a DeadLetterQueue) -> Result<Self> {
        let destination = if from.service == RELAY {
            let client = aws_sdk_sns::Client::new(target.config());
            let queues = target.resources().queues().into_iter();
            Destination::Topic {
                client,
                arn: target.topic_arn().to_owned(),
                queues: queues
                    .filter_map(|it| Some((it.service, it.queue?)))
                    .collect(),
            }
        } else {
            let queues = target.resources().queues().into_iter();
            let queue = queues
                .filter(|queues| queues.service == from.service)
                .find_map(|queues| queues.queue)
                .with_context(|| format!("{} has no queue to send it to", from.service))?;
            Destination::Queue(from.client.clone(), queue)
        };
        Ok(Self { from, destination })
    }
}

impl Ends for Route<'_> {
    fn room(&self) -> usize {
        match self.destination {
            Destination::Queue(..) => QUEUE_ROOM,
            Destination::Topic { .. } => TOPIC_ROOM,
        }
    }

    fn to(&self) -> &str {
        match &self.destination {
            Destination::Queue(_, place) | Destination::Topic { arn: place, .. } => place,
        }
    }

    async fn send(&self, letters: Vec<Letter<'_>>) -> Vec<Result<String>> {
        let (client, arn, queues) = match &self.destination {
            Destination::Queue(client, url) => {
                let count = letters.len();
                return told(to_queue(client, url, letters).await, count);
            }
            Destination::Topic {
                client,
                arn,
                queues,
            } => (client, arn, queues),
        };
        let mut outcomes: Vec<Option<Result<String>>> = letters.iter().map(|_| None).collect();
        let mut ways: BTreeMap<Option<String>, Vec<(usize, Letter<'_>)>> = BTreeMap::new();
        for (n, mut letter) in letters.into_iter().enumerate() {
            let to = letter.attributes.remove(TO);
            let to = to.map(|to| to.string_value.unwrap_or_default());
            ways.entry(to).or_default().push((n, letter));
        }
        for (to, letters) in ways {
            let (places, letters): (Vec<usize>, Vec<Letter<'_>>) = letters.into_iter().unzip();
            let sent = match to {
                None => to_topic(client, arn, letters).await,
                Some(name) => match queues.get(&name) {
                    Some(url) => to_queue(&self.from.client, url, letters).await,
                    None => Err(anyhow!(
                        "it is a command for the queue {name:?}, and the stack has none of that name"
                    )),
                },
            };
            for (place, outcome) in places.iter().zip(told(sent, places.len())) {
                outcomes[*place] = Some(outcome);
            }
        }
        let silent = || Err(anyhow!("nothing is said about it"));
        outcomes
            .into_iter()
            .map(|it| it.unwrap_or_else(silent))
            .collect()
    }

    async fn delete(&self, letters: &[&Parked]) -> Vec<Result<()>> {
        self.from.delete(letters).await
    }
}

fn told(verdicts: Result<Verdicts>, count: usize) -> Vec<Result<String>> {
    match verdicts {
        Ok(verdicts) => (0..count).map(|n| verdicts.of(n)).collect(),
        Err(cause) => (0..count).map(|_| Err(anyhow!("{cause:#}"))).collect(),
    }
}

/// What a batch's answer says, by the entries' ids: the new ids, and the errors.
struct Verdicts {
    taken: Vec<(String, Option<String>)>,
    failed: Vec<(String, String)>,
}

impl Verdicts {
    fn of(&self, n: usize) -> Result<String> {
        let id = n.to_string();
        if let Some((_, why)) = self.failed.iter().find(|(entry, _)| *entry == id) {
            return Err(anyhow!("{why}"));
        }
        let taken = self.taken.iter().find(|(entry, _)| *entry == id);
        let new = taken.and_then(|(_, new)| new.clone());
        new.context("it was not confirmed")
    }
}

async fn to_queue(
    client: &aws_sdk_sqs::Client,
    url: &str,
    letters: Vec<Letter<'_>>,
) -> Result<Verdicts> {
    // The name of a FIFO queue, and of no other, ends so.
    let fifo = url.strip_suffix(".fifo").is_some();
    let entry = |(n, letter): (usize, Letter<'_>)| {
        SendMessageBatchRequestEntry::builder()
            .id(n.to_string())
            .set_message_deduplication_id(fifo.then(|| deduplication_id(&letter)))
            .message_body(letter.body)
            .set_message_attributes(Some(letter.attributes))
            .set_message_group_id(letter.group.map(str::to_owned))
            .build()
    };
    let entries = letters.into_iter().enumerate().map(entry);
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let request = client.send_message_batch().queue_url(url);
    let answer = request
        .set_entries(Some(entries))
        .send()
        .await
        .explained()?;
    let why = |code: String, message: Option<String>| match message {
        Some(message) => format!("{code}: {message}"),
        None => code,
    };
    Ok(Verdicts {
        taken: answer
            .successful
            .into_iter()
            .map(|entry| (entry.id, Some(entry.message_id)))
            .collect(),
        failed: answer
            .failed
            .into_iter()
            .map(|entry| (entry.id, why(entry.code, entry.message)))
            .collect(),
    })
}

/// What a FIFO queue knows a replay by: the same letter with the same body is one message there, should it be sent again
/// because it could not be deleted. With a corrected body it is another; and never is it the message that died, which
/// the queue may still remember.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>
fn deduplication_id(letter: &Letter<'_>) -> String {
    let body = Uuid::new_v5(&Uuid::NAMESPACE_OID, letter.body.as_bytes());
    format!("{}-{}", letter.id, body.simple())
}

async fn to_topic(
    client: &aws_sdk_sns::Client,
    arn: &str,
    letters: Vec<Letter<'_>>,
) -> Result<Verdicts> {
    let entry = |(n, letter): (usize, Letter<'_>)| {
        let attributes = letter.attributes.into_iter();
        let attributes = attributes.map(|(name, attribute)| Ok((name, for_topic(attribute)?)));
        let entry = PublishBatchRequestEntry::builder()
            .id(n.to_string())
            .message(letter.body)
            .set_message_attributes(Some(attributes.collect::<Result<_>>()?))
            .set_message_group_id(letter.group.map(str::to_owned));
        Ok(entry.build()?)
    };
    let entries = letters.into_iter().enumerate().map(entry);
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let request = client.publish_batch().topic_arn(arn);
    let request = request.set_publish_batch_request_entries(Some(entries));
    let answer = request.send().await.explained()?;
    Ok(Verdicts {
        taken: answer
            .successful
            .unwrap_or_default()
            .into_iter()
            .filter_map(|entry| Some((entry.id?, entry.message_id)))
            .collect(),
        failed: answer
            .failed
            .unwrap_or_default()
            .into_iter()
            .map(|entry| (entry.id, entry.message.unwrap_or(entry.code)))
            .collect(),
    })
}

fn for_topic(attribute: MessageAttributeValue) -> Result<TopicAttribute> {
    Ok(TopicAttribute::builder()
        .data_type(attribute.data_type)
        .set_string_value(attribute.string_value)
        .set_binary_value(attribute.binary_value)
        .build()?)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_fifo_queue_takes_a_letter_once_and_a_corrected_one_as_well() {
        let id = |id, body| {
            let (attributes, group) = (HashMap::new(), None);
            deduplication_id(&Letter {
                id,
                body,
                attributes,
                group,
            })
        };
        let letter = "00000000-0000-4000-8000-000000000001";
        assert_eq!(id(letter, "{broken"), id(letter, "{broken"));
        assert_ne!(id(letter, "{broken"), id(letter, "{}"));
        assert_ne!(id(letter, "{}"), id("another", "{}"));
        assert_ne!(id(letter, "{}"), letter);
        assert!(id(letter, "{}").len() <= 128, "SQS takes no more");
    }
}
