//! The port to the topic, and SNS behind it.

use std::collections::HashMap;
use std::future::Future;

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_sns::operation::publish_batch::PublishBatchOutput;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use dashpot::{ConfigError, chain, variable};

use crate::outbox::Event;

/// Where events are published.
pub trait Topic: Send + Sync {
    /// Publishes events that fit into one call, and says of each, in order, what became of it.
    fn publish(&self, events: &[&Event<'_>]) -> impl Future<Output = Vec<Fate>> + Send;
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The topic has it.
    Published,
    /// The topic will never take it, and says why.
    Unpublishable(String),
    /// The topic may not have it: worth another try.
    Failed(String),
}

/// The topic on SNS.
#[derive(Debug, Clone)]
pub struct SnsTopic {
    client: Client,
    arn: String,
}

impl SnsTopic {
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
        Ok(Self {
            client: Client::new(config),
            arn,
        })
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
            Ok(answer) => Ok(fates(&answer, events.len())),
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

/// Only the topic's word counts: an event that the answer does not name is not published.
fn fates(answer: &PublishBatchOutput, events: usize) -> Vec<Fate> {
    let silent = Fate::Failed("the answer does not name the event".into());
    let mut fates = vec![silent; events];
    let mut set = |id: Option<&str>, fate: Fate| {
        if let Some(slot) = id
            .and_then(|id| id.parse::<usize>().ok())
            .and_then(|id| fates.get_mut(id))
        {
            *slot = fate;
        }
    };
    for entry in answer.successful() {
        set(entry.id(), Fate::Published);
    }
    for entry in answer.failed() {
        let says = format!("{}: {}", entry.code(), entry.message().unwrap_or_default());
        let hopeless =
            is_invalid(entry.code()) || (entry.sender_fault() && !may_heal(entry.code()));
        let fate = if hopeless {
            Fate::Unpublishable(says)
        } else {
            Fate::Failed(says)
        };
        set(Some(entry.id()), fate);
    }
    fates
}

fn is_invalid(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    // `InvalidSecurity` is about the signature.
    (code.starts_with("invalid") && !code.starts_with("invalidsecurity"))
        || ["toolong", "toolarge", "validation"]
            .iter()
            .any(|part| code.contains(part))
}

/// Called the sender's fault too, but not the event's: limits, permissions, keys, a topic that is not there.
fn may_heal(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    [
        "throttl",
        "limitexceeded",
        "auth",
        "access",
        "kms",
        "security",
        "notfound",
    ]
    .iter()
    .any(|part| code.contains(part))
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
    use aws_sdk_sns::types::{BatchResultErrorEntry, PublishBatchResultEntry};

    fn failed(id: &str, code: &str, sender_fault: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder()
            .id(id)
            .code(code)
            .sender_fault(sender_fault)
            .build()
            .unwrap()
    }

    #[test]
    fn what_the_answer_does_not_name_is_not_published() {
        let answer = PublishBatchOutput::builder()
            .successful(PublishBatchResultEntry::builder().id("1").build())
            .failed(failed("7", "InternalError", false))
            .build();
        let fates = fates(&answer, 3);
        assert!(matches!(fates[0], Fate::Failed(_)));
        assert_eq!(fates[1], Fate::Published);
        assert!(matches!(fates[2], Fate::Failed(_)));
    }

    #[test]
    fn only_what_is_wrong_with_the_event_itself_is_hopeless() {
        for (code, sender_fault, hopeless) in [
            ("InvalidParameter", true, true),
            ("InvalidParameterValue", false, true),
            ("BatchRequestTooLong", true, true),
            ("SomethingNew", true, true),
            ("InternalError", false, false),
            ("ThrottledException", true, false),
            ("KMSThrottling", true, false),
            ("AuthorizationError", true, false),
            ("InvalidSecurity", true, false),
            ("NotFound", true, false),
        ] {
            let answer = PublishBatchOutput::builder()
                .failed(failed("0", code, sender_fault))
                .build();
            let unpublishable = matches!(fates(&answer, 1)[0], Fate::Unpublishable(_));
            assert_eq!(unpublishable, hopeless, "{code}");
        }
    }

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
