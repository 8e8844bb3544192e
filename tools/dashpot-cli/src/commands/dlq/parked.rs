//! A message in a dead-letter queue, and what it says about its death.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The attribute in which a consumer says why it parked a message.
pub(super) const NOTE: &str = "dashpot";
/// The attribute that counts how often a message was replayed.
pub(super) const REDRIVES: &str = "redrives";

/// A dead letter, held for a while by whoever reads it.
#[derive(Debug, Clone)]
pub(super) struct Parked {
    pub(super) service: String,
    /// Its id in the dead-letter queue.
    pub(super) id: String,
    pub(super) receipt: String,
    pub(super) body: String,
    pub(super) attributes: HashMap<String, MessageAttributeValue>,
    /// SQS's fair queues: whose turn it was.
    pub(super) group: Option<String>,
    sent: Option<i64>,
    note: Option<Note>,
}

/// What a consumer wrote when it parked the message. Fields that a foreign hand left out are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Note {
    reason: String,
    detail: String,
    consumer: String,
    source_queue: String,
    message_id: String,
    event_id: Option<String>,
    r#type: Option<String>,
    attempts: u32,
    first_seen: Option<i64>,
    parked_at: i64,
    fingerprint: String,
    redrives: u32,
}

impl Parked {
    pub(super) fn new(service: &str, message: Message) -> Option<Self> {
        let system = message.attributes.unwrap_or_default();
        let attributes = message.message_attributes.unwrap_or_default();
        let note = attributes
            .get(NOTE)
            .and_then(MessageAttributeValue::string_value)
            .and_then(|note| strict_json::from_str(note).ok());
        Some(Self {
            service: service.to_owned(),
            id: message.message_id?,
            receipt: message.receipt_handle?,
            body: message.body.unwrap_or_default(),
            group: system
                .get(&MessageSystemAttributeName::MessageGroupId)
                .cloned(),
            sent: system
                .get(&MessageSystemAttributeName::SentTimestamp)
                .and_then(|sent| sent.parse().ok()),
            attributes,
            note,
        })
    }

    /// Whether `id` means this message: its id here, its id in the queue that it came from, or its event's.
    pub(super) fn is(&self, id: &str) -> bool {
        let note = self.note.as_ref();
        self.id == id
            || note
                .is_some_and(|note| note.message_id == id || note.event_id.as_deref() == Some(id))
    }

    pub(super) fn reason(&self) -> &str {
        match &self.note {
            Some(note) => &note.reason,
            None if self.attributes.contains_key("ErrorCode") => "undeliverable",
            None => "received_too_often",
        }
    }

    pub(super) fn detail(&self) -> &str {
        let failure = || {
            self.attributes
                .get("ErrorMessage")
                .and_then(MessageAttributeValue::string_value)
        };
        match &self.note {
            Some(note) => &note.detail,
            None => failure()
                .unwrap_or("SQS moved it here after its last receive; no consumer gave a reason"),
        }
    }

    /// The same for messages that died of the same cause.
    pub(super) fn fingerprint(&self) -> &str {
        self.note.as_ref().map_or("–", |note| &note.fingerprint)
    }

    pub(super) fn event_type(&self) -> Option<&str> {
        let attribute = || {
            self.attributes
                .get("type")
                .and_then(MessageAttributeValue::string_value)
        };
        self.note
            .as_ref()
            .and_then(|note| note.r#type.as_deref())
            .or_else(attribute)
    }

    /// When it came here, in milliseconds since the Unix epoch.
    pub(super) fn since(&self) -> Option<i64> {
        self.note.as_ref().map(|note| note.parked_at).or(self.sent)
    }

    /// How often it has been replayed already.
    pub(super) fn redrives(&self) -> u32 {
        let counted = self
            .attributes
            .get(REDRIVES)
            .and_then(MessageAttributeValue::string_value)
            .and_then(|count| count.parse().ok())
            .unwrap_or_default();
        self.note
            .as_ref()
            .map_or(0, |note| note.redrives)
            .max(counted)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "service": self.service,
            "messageId": self.id,
            "reason": self.reason(),
            "detail": self.detail(),
            "redrives": self.redrives(),
            "since": self.since(),
            "note": self.note,
            "attributes": self.plain_attributes(),
            "body": self.body,
        })
    }

    /// The attributes of the sender, without the note.
    pub(super) fn plain_attributes(&self) -> BTreeMap<&str, &str> {
        self.attributes
            .iter()
            .filter(|(name, _)| *name != NOTE)
            .map(|(name, value)| (name.as_str(), value.string_value().unwrap_or("(binary)")))
            .collect()
    }

    /// The note's further facts, for people.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let Some(note) = &self.note else {
            return Vec::new();
        };
        let mut facts = vec![
            ("parked by", note.consumer.clone()),
            ("came from", note.source_queue.clone()),
            ("attempts", note.attempts.to_string()),
            ("message id there", note.message_id.clone()),
        ];
        facts.extend(note.event_id.clone().map(|id| ("event id", id)));
        facts
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn text(value: &str) -> MessageAttributeValue {
        MessageAttributeValue::builder()
            .data_type("String")
            .string_value(value)
            .build()
            .unwrap()
    }

    pub(in super::super) fn parked(id: &str, note: Option<&str>, redrives: Option<u32>) -> Parked {
        let mut message = Message::builder()
            .message_id(id)
            .receipt_handle("receipt")
            .body("{}")
            .message_attributes("type", text("order.placed"));
        if let Some(note) = note {
            message = message.message_attributes(NOTE, text(note));
        }
        if let Some(redrives) = redrives {
            message = message.message_attributes(REDRIVES, text(&redrives.to_string()));
        }
        Parked::new("inventory", message.build()).unwrap()
    }

    #[test]
    fn the_note_says_why_it_died() {
        let note = r#"{"reason":"malformed","detail":"no JSON","messageId":"m1","fingerprint":"00ff","redrives":2}"#;
        let parked = parked("d1", Some(note), None);

        assert_eq!(
            (
                parked.reason(),
                parked.detail(),
                parked.fingerprint(),
                parked.redrives()
            ),
            ("malformed", "no JSON", "00ff", 2)
        );
        assert!(parked.is("d1") && parked.is("m1") && !parked.is("m2"));
    }

    #[test]
    fn without_a_note_sqs_itself_moved_it_and_replays_are_counted_by_their_attribute() {
        let parked = parked("d1", None, Some(3));

        assert_eq!(
            (parked.reason(), parked.redrives()),
            ("received_too_often", 3)
        );
        assert_eq!(parked.event_type(), Some("order.placed"));
    }

    #[test]
    fn what_is_no_note_gives_no_reason() {
        for note in [
            "null",
            "[]",
            r#"["malformed","no JSON"]"#,
            r#"{"reason":7}"#,
            r#"{"reason":"a","reason":"b"}"#,
            r#"{"attempts":-1}"#,
            "",
        ] {
            let parked = parked("d1", Some(note), None);
            assert_eq!(parked.reason(), "received_too_often", "{note}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_note_says_the_message_can_be_listed_shown_and_counted(
            note in prop_oneof![
                ".*",
                (".*", ".*", any::<i64>(), any::<u32>()).prop_map(|(reason, event, at, redrives)| json!({
                    "reason": reason, "type": event, "eventId": event, "parkedAt": at, "redrives": redrives,
                }).to_string()),
            ],
        ) {
            let parked = parked("d1", Some(&note), Some(3));
            prop_assert!(parked.is("d1"));
            prop_assert!(parked.redrives() >= 3);
            prop_assert!(parked.to_json()["body"].is_string());
            for (_, fact) in parked.facts() {
                prop_assert!(!crate::output::visible(&fact).chars().any(char::is_control));
            }
            prop_assert!(!crate::output::visible(parked.reason()).chars().any(char::is_control));
            prop_assert!(!crate::output::moment(parked.since().unwrap_or_default()).is_empty());
        }
    }
}
