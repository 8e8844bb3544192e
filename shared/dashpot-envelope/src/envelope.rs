use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::name;

/// A message: what happened, the facts, and their context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The name of the fact, in the past tense: `order.placed`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The facts; self-contained, so that no consumer has to call back.
    pub payload: T,
    /// Where the message comes from and what it belongs to.
    pub metadata: Metadata,
}

/// The context of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(transform = all_optional)
)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Names the occurrence: UUIDv7 where we make it. With the consumer's name it is the idempotency key.
    pub id: String,
    /// When it happened, in milliseconds since the Unix epoch, by the producer's clock.
    pub timestamp: u64,
    /// Follows the customer's request through every service and log line.
    pub correlation_id: String,
    /// The id of the event that caused this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    /// The version of the payload's schema; additive changes do not raise it.
    pub version: u32,
    /// The service that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it is about: the order's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How many events lie between this one and the customer's request.
    #[serde(default)]
    pub hops: u32,
}

/// An [`Envelope`] as it lies in a body: strings borrowed where they hold no escape, the payload not yet read.
#[derive(Debug, Clone, Deserialize)]
pub struct RawEnvelope<'a> {
    /// The name of the fact.
    #[serde(rename = "type", borrow, deserialize_with = "name::required")]
    pub event_type: Cow<'a, str>,
    /// The payload's JSON text.
    #[serde(borrow)]
    pub payload: &'a RawValue,
    /// The context, with everything optional that a foreign producer may leave out.
    #[serde(borrow)]
    pub metadata: RawMetadata<'a>,
}

/// [`Metadata`] as a foreign producer may send it; the least is nothing at all.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawMetadata<'a> {
    /// See [`Metadata::id`].
    #[serde(default, borrow, deserialize_with = "name::optional")]
    pub id: Option<Cow<'a, str>>,
    /// See [`Metadata::timestamp`].
    #[serde(default)]
    pub timestamp: Option<u64>,
    /// See [`Metadata::correlation_id`].
    #[serde(default, borrow, deserialize_with = "name::optional")]
    pub correlation_id: Option<Cow<'a, str>>,
    /// See [`Metadata::causation_id`].
    #[serde(default, borrow, deserialize_with = "name::optional")]
    pub causation_id: Option<Cow<'a, str>>,
    /// See [`Metadata::version`]; 1 where it is missing.
    #[serde(default = "first_version")]
    pub version: u32,
    /// See [`Metadata::source`].
    #[serde(default, borrow, deserialize_with = "name::optional")]
    pub source: Option<Cow<'a, str>>,
    /// See [`Metadata::subject`].
    #[serde(default, borrow, deserialize_with = "name::optional")]
    pub subject: Option<Cow<'a, str>>,
    /// See [`Metadata::hops`].
    #[serde(default)]
    pub hops: u32,
}

/// Our own services say all of it; a foreign producer may leave out anything: see [`RawMetadata`].
#[cfg(feature = "schema")]
fn all_optional(schema: &mut schemars::Schema) {
    schema.remove("required");
}

fn first_version() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_shortest_foreign_message_is_an_envelope() {
        let raw: RawEnvelope<'_> = serde_json::from_str(
            r#"{"type":"order.created","payload":{"orderId":"123"},"metadata":{"timestamp":1,"correlationId":"req_789","version":1}}"#,
        )
        .unwrap();
        assert_eq!(raw.payload.get(), r#"{"orderId":"123"}"#);
        assert_eq!(raw.metadata.id, None);
        assert_eq!(raw.metadata.hops, 0);
    }

    #[test]
    fn what_has_no_escape_is_borrowed() {
        let body = String::from(r#"{"type":"a.b","payload":1,"metadata":{"id":"x\"y"}}"#);
        let raw: RawEnvelope<'_> = serde_json::from_str(&body).unwrap();
        assert!(matches!(raw.event_type, Cow::Borrowed("a.b")));
        assert_eq!(raw.metadata.id.as_deref(), Some("x\"y"));
        assert_eq!(raw.metadata.version, 1);
    }

    #[test]
    fn an_envelope_keeps_its_published_shape() {
        let envelope = Envelope {
            event_type: "order.placed".into(),
            payload: 7,
            metadata: Metadata {
                id: "i".into(),
                timestamp: 1,
                correlation_id: "c".into(),
                causation_id: None,
                version: 2,
                source: Some("checkout".into()),
                subject: Some("o".into()),
                hops: 0,
            },
        };
        assert_eq!(
            serde_json::to_string(&envelope).unwrap(),
            r#"{"type":"order.placed","payload":7,"metadata":{"id":"i","timestamp":1,"correlationId":"c","version":2,"source":"checkout","subject":"o","hops":0}}"#
        );
    }
}
