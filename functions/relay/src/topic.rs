//! The port to the topic, and SNS behind it.

use std::collections::HashMap;
use std::future::Future;

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use dashpot::{ConfigError, chain, variable};

use crate::fate::{Answer, Fate, is_invalid};
use crate::outbox::Event;

/// Where events are published.
pub trait Topic: Send + Sync {
    /// Publishes events that fit into one call, and says of each, in order, what became of it.
    fn publish(&self, events: &[&Event<'_>]) -> impl Future<Output = Vec<Fate>> + Send;
}

/// The topic on SNS.
#[derive(Debug, Clone)]
pub struct SnsTopic {
    client: Client,
    arn: String,
}

impl SnsTopic {
    /// The topic of that ARN.
    #[must_use]
    pub fn new(config: &SdkConfig, arn: impl Into<String>) -> Self {
        Self {
            client: Client::new(config),
            arn: arn.into(),
        }
    }

    /// The topic that `TOPIC_ARN` names.
    ///
    /// # Errors
    /// [`ConfigError`] when the variable holds no ARN: SNS's complaint about a wrong one could be taken for one
    /// about an event.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        let arn = variable("TOPIC_ARN")?;
        if arn.split(':').count() != 6 {
            return Err(ConfigError::new("TOPIC_ARN", "the ARN of an SNS topic"));
        }
        Ok(Self::new(config, arn))
    }

    /// One call; `Err` where all of it is refused because something in it is invalid.
    async fn call(&self, events: &[&Event<'_>]) -> Result<Vec<Fate>, String> {
        let entries: Result<Vec<_>, BuildError> = events
            .iter()
            .enumerate()
            .map(|(id, event)| entry(id, event))
            .collect();
        let entries = entries.map_err(|error| error.to_string())?;
        let request = self.client.publish_batch().topic_arn(&self.arn);
        match request
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await
        {
            Ok(answer) => Ok(Answer::from(&answer).fates(events.len())),
            Err(error) if error.code().is_some_and(is_invalid) => Err(chain(&error)),
            Err(error) => Ok(vec![Fate::Failed(chain(&error)); events.len()]),
        }
    }
}

impl Topic for SnsTopic {
    async fn publish(&self, events: &[&Event<'_>]) -> Vec<Fate> {
        if let Ok(fates) = self.call(events).await {
            return fates;
        }
        // Something in the call is invalid: each alone, it shows which.
        let mut fates = Vec::with_capacity(events.len());
        for event in events {
            match self.call(std::slice::from_ref(event)).await {
                Ok(fate) => fates.extend(fate),
                Err(refusal) => fates.push(Fate::Unpublishable(refusal)),
            }
        }
        fates
    }
}

fn entry(id: usize, event: &Event<'_>) -> Result<PublishBatchRequestEntry, BuildError> {
    let attributes = event
        .attributes()
        .map(|attribute| {
            let value = MessageAttributeValue::builder()
                .data_type(attribute.data_type)
                .string_value(attribute.value)
                .build()?;
            Ok((attribute.name.to_owned(), value))
        })
        .collect::<Result<HashMap<_, _>, BuildError>>()?;
    PublishBatchRequestEntry::builder()
        .id(id.to_string())
        .message(event.body.as_ref())
        .set_message_attributes(Some(attributes))
        .set_message_group_id(event.group.as_deref().map(str::to_owned))
        .build()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_entry_is_the_row_byte_for_byte_with_its_group() {
        let rows =
            crate::outbox::inserted(include_str!("../../../events/relay/good.json")).unwrap();
        let event = rows[0].event.as_ref().unwrap();
        let entry = entry(3, event).unwrap();
        assert_eq!((entry.id(), entry.message()), ("3", &*event.body));
        assert_eq!(entry.message_group_id(), Some("user_456"));
        let attributes = entry.message_attributes().unwrap();
        assert_eq!(attributes["type"].string_value(), Some("order.placed"));
        assert_eq!(attributes["version"].data_type(), "Number");
    }
}
