//! Where a dead letter was to go: its service's queue or, from the relay, the topic.

use std::collections::HashMap;
use std::fmt;

use anyhow::{Context, Result};
use aws_sdk_sns::types::MessageAttributeValue as TopicAttribute;
use aws_sdk_sqs::types::MessageAttributeValue;

use super::parked::Parked;
use crate::aws::Explained;
use crate::target::Target;

/// The service that has no queue: what it could not publish lies in its dead-letter queue.
const RELAY: &str = "relay";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Queue(String),
    Topic(String),
}

impl Destination {
    pub(super) fn of(target: &Target, parked: &Parked) -> Result<Self> {
        if parked.service == RELAY {
            return Ok(Self::Topic(target.topic_arn().to_owned()));
        }
        let queues = target.resources().queues().into_iter();
        queues
            .filter(|queues| queues.service == parked.service)
            .find_map(|queues| queues.queue)
            .map(Self::Queue)
            .with_context(|| format!("{} has no queue to send it to", parked.service))
    }

    /// Sends and returns the id that the message has now: the proof that it was taken.
    pub(super) async fn send(
        &self,
        target: &Target,
        parked: &Parked,
        body: &str,
        attributes: HashMap<String, MessageAttributeValue>,
    ) -> Result<String> {
        let id = match self {
            Self::Queue(url) => {
                aws_sdk_sqs::Client::new(target.config())
                    .send_message()
                    .queue_url(url)
                    .message_body(body)
                    .set_message_attributes(Some(attributes))
                    .set_message_group_id(parked.group.clone())
                    .send()
                    .await
                    .explained()?
                    .message_id
            }
            Self::Topic(arn) => {
                let attributes: HashMap<_, _> = attributes
                    .into_iter()
                    .map(|(name, attribute)| Ok((name, for_topic(attribute)?)))
                    .collect::<Result<_>>()?;
                aws_sdk_sns::Client::new(target.config())
                    .publish()
                    .topic_arn(arn)
                    .message(body)
                    .set_message_attributes(Some(attributes))
                    .set_message_group_id(parked.group.clone())
                    .send()
                    .await
                    .explained()?
                    .message_id
            }
        };
        id.context("it was not confirmed")
    }
}

fn for_topic(attribute: MessageAttributeValue) -> Result<TopicAttribute> {
    Ok(TopicAttribute::builder()
        .data_type(attribute.data_type)
        .set_string_value(attribute.string_value)
        .set_binary_value(attribute.binary_value)
        .build()?)
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(place) | Self::Topic(place) => formatter.write_str(place),
        }
    }
}
