//! From a message to what a handler takes.

use std::borrow::Cow;
use std::fmt;

use dashpot_envelope::{Envelope, EventSet, Metadata, RawEnvelope, RawMetadata, Unreadable};
use serde::de::DeserializeOwned;
use uuid::Uuid;

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

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Undecodable {}

impl<T: EventSet> FromMessage for Envelope<T> {
    fn from_message(message: &Message<'_>) -> Result<Self, Undecodable> {
        let content = message.content();
        let raw: RawEnvelope<'_> = serde_json::from_str(&content)
            .map_err(|error| Undecodable::malformed(describe(&error)))?;
        let metadata = complete(raw.metadata, &content)?;
        if raw.event_type.is_empty() || raw.event_type.len() > LONGEST {
            return Err(Undecodable::malformed(format!(
                "type must have 1 to {LONGEST} bytes"
            )));
        }
        match T::read(&raw.event_type, metadata.version, raw.payload) {
            Ok(payload) => Ok(Self {
                event_type: raw.event_type.into_owned(),
                payload,
                metadata,
            }),
            Err(unreadable) => Err(Undecodable {
                not_yet: unreadable.is_not_yet(),
                detail: match &unreadable {
                    Unreadable::Malformed(error) => format!("payload: {}", describe(error)),
                    other => format!("version {}: {other}", metadata.version),
                },
                event_type: Some(raw.event_type.into_owned()),
                event_id: Some(metadata.id),
                correlation_id: Some(metadata.correlation_id),
            }),
        }
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
        serde_json::from_str(&message.content())
            .map(Json)
            .map_err(|error| Undecodable::malformed(describe(&error)))
    }
}

/// The longest name or id that is taken, in bytes: it becomes a key and an attribute.
const LONGEST: usize = 256;

/// Fills in what a foreign producer left out, and refuses what could not be a key.
fn complete(raw: RawMetadata<'_>, content: &str) -> Result<Metadata, Undecodable> {
    let short = |name: &str, text: Option<Cow<'_, str>>| match text {
        Some(text) if text.len() > LONGEST => Err(Undecodable::malformed(format!(
            "metadata.{name} has more than {LONGEST} bytes"
        ))),
        Some(text) if text.is_empty() => Ok(None),
        text => Ok(text.map(Cow::into_owned)),
    };
    let id = match short("id", raw.id)? {
        Some(id) => id,
        None => content_id(content),
    };
    Ok(Metadata {
        correlation_id: short("correlationId", raw.correlation_id)?.unwrap_or_else(|| id.clone()),
        causation_id: short("causationId", raw.causation_id)?,
        source: short("source", raw.source)?,
        subject: short("subject", raw.subject)?,
        timestamp: raw.timestamp.unwrap_or_default(),
        version: raw.version,
        hops: raw.hops,
        id,
    })
}

/// The id of a message that names none: the same content is the same occurrence (UUIDv5).
pub(crate) fn content_id(content: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, content.as_bytes()).to_string()
}

/// What serde says is wrong, and where, without the value that it found: that may be personal.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for found in ["invalid type: ", "invalid value: "] {
        if let Some(rest) = text.strip_prefix(found)
            && let Some(expected) = rest.rfind(", expected ")
        {
            return format!("{}{}", found.trim_end_matches(": "), &rest[expected..]);
        }
    }
    if text.starts_with("unknown ") {
        return format!(
            "{:?} error at line {} column {}",
            error.classify(),
            error.line(),
            error.column()
        );
    }
    text
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
            ("", "EOF"),
            ("not json", "expected ident"),
            ("[]", "invalid"),
            (
                r#"{"type":"thing.done","metadata":{}}"#,
                "missing field `payload`",
            ),
            (
                r#"{"type":"thing.done","payload":{},"metadata":{}}"#,
                "payload: missing field `name`",
            ),
            (
                r#"{"type":"thing.done","type":"x","payload":{},"metadata":{}}"#,
                "duplicate field `type`",
            ),
            (
                r#"{"type":"","payload":{},"metadata":{}}"#,
                "type must have",
            ),
        ] {
            let error = decode(body).unwrap_err();
            assert!(
                !error.not_yet && error.detail.contains(says),
                "{body}: {error}"
            );
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

    #[test]
    fn an_id_that_is_too_long_for_a_key_is_malformed() {
        let body = format!(
            r#"{{"type":"thing.done","payload":{{"name":"a"}},"metadata":{{"id":"{}"}}}}"#,
            "x".repeat(257)
        );
        assert_eq!(
            decode(&body).unwrap_err().detail,
            "metadata.id has more than 256 bytes"
        );
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in ".*") {
            let _ = decode(&body);
        }
    }
}
