//! From a message to what a handler takes.

use std::borrow::Cow;
use std::fmt;

use dashpot_envelope::{
    Envelope, EventSet, Malformed, Metadata, RawEnvelope, RawMetadata, Unreadable,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::glance::glance;
use crate::message::Message;

/// What a message becomes before a handler sees it.
pub trait FromMessage: Sized + Send {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Undecodable`] is a verdict about this message alone; it never fails a batch.
    fn from_message(message: &Message<'_>) -> Result<Self, Undecodable>;

    /// Where the message comes from, if it says so.
    fn metadata(&self) -> Option<&Metadata> {
        None
    }

    /// The name of the event, if it says so.
    fn event_type(&self) -> Option<&str> {
        None
    }
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// Whether a deployment in progress may make it readable: retried for a while, then parked.
    pub not_yet: bool,
    /// What is wrong, without a word of the content.
    pub detail: String,
    /// The name of the event, where that much could be read.
    pub event_type: Option<String>,
    /// The id of the event, where that much could be read.
    pub event_id: Option<String>,
    /// What it belongs to, where that much could be read.
    pub correlation_id: Option<String>,
}

impl Undecodable {
    /// No try will ever help.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self {
            not_yet: false,
            detail: detail.into(),
            event_type: None,
            event_id: None,
            correlation_id: None,
        }
    }
}

impl From<Malformed> for Undecodable {
    fn from(error: Malformed) -> Self {
        Self::malformed(error.to_string())
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Undecodable {}

impl<T: EventSet> FromMessage for Envelope<T> {
    fn from_message(message: &Message<'_>) -> Result<Self, Undecodable> {
        if let Some(event) = at_a_glance(&message.body) {
            return Ok(event);
        }
        let content = message.content();
        let raw: RawEnvelope<'_> = strict_json::from_str(&content)?;
        let event_type = raw.event_type.into_owned();
        let metadata = complete(raw.metadata, &content);
        let (not_yet, detail) = match T::read(&event_type, metadata.version, raw.payload.get()) {
            Ok(payload) if agree(&payload, &metadata) => {
                return Ok(Self {
                    event_type,
                    payload,
                    metadata,
                });
            }
            Ok(_) => (
                false,
                "metadata.subject: is not what the payload is about".to_owned(),
            ),
            Err(Unreadable::Malformed(error)) => {
                let error = error.within("payload", &content, raw.payload);
                (false, error.to_string())
            }
            Err(unreadable) => (
                unreadable.is_not_yet(),
                format!("version {}: {unreadable}", metadata.version),
            ),
        };
        Err(Undecodable {
            not_yet,
            detail,
            event_type: Some(event_type),
            event_id: Some(metadata.id),
            correlation_id: Some(metadata.correlation_id),
        })
    }

    fn metadata(&self) -> Option<&Metadata> {
        Some(&self.metadata)
    }

    fn event_type(&self) -> Option<&str> {
        Some(&self.event_type)
    }
}

/// A body of plain JSON, without an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send> FromMessage for Json<T> {
    fn from_message(message: &Message<'_>) -> Result<Self, Undecodable> {
        Ok(Self(strict_json::from_str(&message.content())?))
    }
}

/// The event in an envelope as producers usually write it; none where anything at all is in the way.
fn at_a_glance<T: EventSet>(body: &str) -> Option<Envelope<T>> {
    let seen = glance(body)?;
    let payload = T::read(seen.event_type, seen.metadata.version, seen.payload).ok()?;
    let metadata = complete(seen.metadata, body);
    agree(&payload, &metadata).then(|| Envelope {
        event_type: seen.event_type.to_owned(),
        payload,
        metadata,
    })
}

/// Fills in what a foreign producer left out.
fn complete(raw: RawMetadata<'_>, content: &str) -> Metadata {
    let given = |text: Option<Cow<'_, str>>| {
        let text = text.filter(|text| !text.is_empty());
        text.map(Cow::into_owned)
    };
    let id = given(raw.id).unwrap_or_else(|| content_id(content));
    Metadata {
        correlation_id: given(raw.correlation_id).unwrap_or_else(|| id.clone()),
        causation_id: given(raw.causation_id),
        source: given(raw.source),
        subject: given(raw.subject),
        timestamp: raw.timestamp.unwrap_or_default(),
        version: raw.version,
        hops: raw.hops,
        id,
    }
}

/// Whether the subject, where the metadata name one, is what the payload is about: else the journal would file the
/// event with one thing while its consumers act on another.
fn agree(payload: &impl EventSet, metadata: &Metadata) -> bool {
    let said = metadata.subject.as_deref();
    said.is_none() || payload.about().is_none_or(|about| said == Some(about))
}

/// The id of a message that names none: the same content is the same occurrence (UUIDv5).
pub(crate) fn content_id(content: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, content.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Done {
        name: String,
    }

    impl dashpot_envelope::Event for Done {
        const TYPE: &'static str = "thing.done";
        const VERSION: u32 = 1;
        fn subject(&self) -> &str {
            &self.name
        }
        fn group(&self) -> &str {
            &self.name
        }
    }

    fn decode(body: &str) -> Result<Envelope<Done>, Undecodable> {
        let mut message: Message<'_> = serde_json::from_str(r#"{"messageId":"m"}"#).unwrap();
        message.body = Cow::Borrowed(body);
        Envelope::from_message(&message)
    }

    #[test]
    fn the_least_that_a_foreign_producer_sends_gets_an_id_of_its_content() {
        let body = r#"{"type":"thing.done","payload":{"name":"a"},"metadata":{}}"#;
        let (first, second) = (decode(body).unwrap(), decode(body).unwrap());
        assert_eq!(first, second);
        assert_eq!(first.metadata.id.len(), 36);
        assert_eq!(first.metadata.correlation_id, first.metadata.id);
        let other = decode(&body.replace("\"a\"", "\"b\"")).unwrap();
        assert_ne!(first.metadata.id, other.metadata.id);
    }

    #[test]
    fn what_is_no_envelope_is_malformed_and_says_where() {
        for (body, says) in [
            ("", "ends within a value, at line 1 column 0"),
            ("not json", "expected a value, at line 1 column 2"),
            ("[]", "expected an object, at line 1 column 0"),
            (
                r#"["thing.done",{"name":"a"},{}]"#,
                "expected an object, at line 1 column 0",
            ),
            (
                r#"{"type":"thing.done","metadata":{}}"#,
                "payload: is missing, at line 1 column 35",
            ),
            (
                r#"{"type":"thing.done","payload":{},"metadata":{}}"#,
                "payload.name: is missing, at line 1 column 33",
            ),
            (
                "{\"type\":\"thing.done\",\n\"payload\":{\"name\":7},\"metadata\":{}}",
                "payload.name: expected a string, at line 2 column 19",
            ),
            (
                r#"{"type":"thing.done","payload":["a"],"metadata":{}}"#,
                "payload: expected an object, at line 1 column 31",
            ),
            (
                r#"{"type":"thing.done","type":"x","payload":{},"metadata":{}}"#,
                "type: is there more than once, at line 1 column 27",
            ),
            (
                r#"{"type":"thing.done","payload":{"name":"a"},"metadata":{"timestamp":1e400}}"#,
                "metadata.timestamp: number out of range, at line 1 column 73",
            ),
            (
                r#"{"type":"","payload":{"name":"a"},"metadata":{}}"#,
                "type: must not be empty, at line 1 column 10",
            ),
            (
                r#"{"type":"thing.done","payload":{"name":"a"},"metadata":{"id":"a\nb"}}"#,
                "metadata.id: has a character that does not show, at line 1 column 68",
            ),
            (
                r#"{"type":"thing.done","payload":{"name":"a"},"metadata":{"subject":"b"}}"#,
                "metadata.subject: is not what the payload is about",
            ),
        ] {
            let error = decode(body).unwrap_err();
            assert!(!error.not_yet, "{body}");
            assert_eq!(error.detail, says, "{body}");
        }
    }

    #[test]
    fn an_event_says_what_it_is_about_or_leaves_that_to_its_payload() {
        for subject in [
            "",
            r#""subject":null"#,
            r#""subject":"""#,
            r#""subject":"a""#,
        ] {
            let body = format!(
                r#"{{"type":"thing.done","payload":{{"name":"a"}},"metadata":{{{subject}}}}}"#
            );
            assert!(decode(&body).is_ok(), "{body}");
        }
    }

    #[test]
    fn what_was_found_is_never_told() {
        let body = r#"{"type":"thing.done","payload":"ada@example.com","metadata":{"id":"i"}}"#;
        let error = decode(body).unwrap_err();
        assert!(!error.detail.contains("ada"), "{error}");
        assert_eq!(error.event_id.as_deref(), Some("i"));
    }

    #[test]
    fn an_unknown_type_and_a_newer_version_are_not_yet() {
        for body in [
            r#"{"type":"thing.undone","payload":{},"metadata":{}}"#,
            r#"{"type":"thing.done","payload":{},"metadata":{"version":2}}"#,
        ] {
            assert!(decode(body).unwrap_err().not_yet, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in ".*") {
            let _ = decode(&body);
        }
    }
}
