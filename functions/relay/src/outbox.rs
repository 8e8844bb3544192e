//! The outbox rows of a batch, viewed in the event that the table's stream sends.

use std::borrow::Cow;
use std::time::Duration;

use dashpot::is_sendable;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A row that was inserted into an outbox.
#[derive(Debug)]
pub struct Inserted<'a> {
    /// Its sort key: the event's id.
    pub event_id: Cow<'a, str>,
    /// The stream's own id of the record.
    pub record_id: Cow<'a, str>,
    /// The stream's ARN.
    pub stream_arn: Cow<'a, str>,
    /// When it was inserted, in milliseconds since the Unix epoch.
    pub inserted_at: Option<u64>,
    /// The event to publish, or what keeps the row from being one.
    pub event: Result<Event<'a>, String>,
    /// What the stream says about the row, as JSON.
    pub raw: &'a str,
}

/// What is published.
#[derive(Debug)]
pub struct Event<'a> {
    /// The envelope, byte for byte.
    pub body: Cow<'a, str>,
    /// The event's name: what filter policies match on.
    pub event_type: Cow<'a, str>,
    /// The version of the payload's schema.
    pub version: Option<Cow<'a, str>>,
    /// The customer's request.
    pub correlation_id: Option<Cow<'a, str>>,
    /// The trace.
    pub traceparent: Option<Cow<'a, str>>,
    /// Whose it is: fair queues keep one customer's messages from delaying everybody's.
    pub group: Option<Cow<'a, str>>,
}

/// An attribute of a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: &'static str,
    /// `String` or `Number`.
    pub data_type: &'static str,
    /// Its value; never empty.
    pub value: &'a str,
}

impl Event<'_> {
    /// The attributes that travel with it.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> {
        [
            ("type", "String", Some(&self.event_type)),
            ("version", "Number", self.version.as_ref()),
            ("correlationId", "String", self.correlation_id.as_ref()),
            ("traceparent", "String", self.traceparent.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, data_type, value)| {
            Some(Attribute {
                name,
                data_type,
                value: value?,
            })
        })
    }

    /// Its size as SNS counts it, in bytes, attributes and group included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let attributes: usize = self
            .attributes()
            .map(|a| a.name.len() + a.data_type.len() + a.value.len())
            .sum();
        self.body.len() + attributes + self.group.as_ref().map_or(0, |group| group.len())
    }
}

#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(rename = "eventID", borrow, default)]
    id: Cow<'a, str>,
    #[serde(rename = "eventName", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "eventSourceARN", borrow, default)]
    stream_arn: Cow<'a, str>,
    #[serde(borrow)]
    dynamodb: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change<'a> {
    #[serde(borrow)]
    keys: Keys<'a>,
    approximate_creation_date_time: Option<f64>,
}

#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow)]
    pk: Value<'a>,
    #[serde(borrow)]
    sk: Value<'a>,
}

#[derive(Deserialize)]
struct WithImage<'a> {
    #[serde(rename = "NewImage", borrow)]
    image: Image<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image<'a> {
    #[serde(borrow)]
    body: Value<'a>,
    #[serde(rename = "type", borrow)]
    event_type: Value<'a>,
    #[serde(borrow)]
    version: Option<Value<'a>>,
    #[serde(borrow)]
    correlation_id: Option<Value<'a>>,
    #[serde(borrow)]
    traceparent: Option<Value<'a>>,
    #[serde(borrow)]
    group: Option<Value<'a>>,
}

/// A text or a number; the outbox has no other kind.
#[derive(Deserialize)]
enum Value<'a> {
    S(#[serde(borrow)] Cow<'a, str>),
    N(#[serde(borrow)] Cow<'a, str>),
}

impl<'a> Value<'a> {
    fn text(self) -> Cow<'a, str> {
        match self {
            Self::S(text) | Self::N(text) => text,
        }
    }
}

/// The outbox rows among the records of a batch. The mapping's filter lets nothing else through; it is not
/// what correctness rests on.
///
/// # Errors
/// When the payload is no event of a DynamoDB stream.
pub fn inserted(payload: &str) -> Result<Vec<Inserted<'_>>, serde_json::Error> {
    let event: StreamEvent<'_> = serde_json::from_str(payload)?;
    let mut rows = Vec::with_capacity(event.records.len());
    for record in event.records {
        let raw = record.dynamodb.get();
        let change: Change<'_> = serde_json::from_str(raw)?;
        if record.name != "INSERT" || !change.keys.pk.text().starts_with("outbox#") {
            continue;
        }
        rows.push(Inserted {
            event_id: change.keys.sk.text(),
            record_id: record.id,
            stream_arn: record.stream_arn,
            inserted_at: change.approximate_creation_date_time.and_then(millis),
            event: event_of(raw),
            raw,
        });
    }
    Ok(rows)
}

fn event_of(raw: &str) -> Result<Event<'_>, String> {
    let WithImage { image } = serde_json::from_str(raw).map_err(|error| describe(&error))?;
    let (body, event_type) = (image.body.text(), image.event_type.text());
    if body.is_empty() || event_type.is_empty() {
        return Err("the row's body or type is empty".into());
    }
    Ok(Event {
        body,
        event_type,
        version: present(image.version),
        correlation_id: present(image.correlation_id),
        traceparent: present(image.traceparent),
        group: present(image.group),
    })
}

/// Which attribute is missing, and not where: rows that fail for the same cause have the same fingerprint.
/// Other complaints of serde quote what was found, which may be personal.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at line ") {
        Some((missing, _)) if missing.starts_with("missing field") => {
            format!("the row cannot be read: {missing}")
        }
        _ => "the row has an attribute that is neither text nor number".into(),
    }
}

/// SNS refuses a message for an attribute without a value, or with a character that it does not take. A foreign
/// producer's correlation id may hold one.
fn present(value: Option<Value<'_>>) -> Option<Cow<'_, str>> {
    let fits = |text: &Cow<'_, str>| !text.is_empty() && is_sendable(text);
    value.map(Value::text).filter(fits)
}

fn millis(seconds: f64) -> Option<u64> {
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn good() -> Vec<Inserted<'static>> {
        inserted(include_str!("../../../events/relay/good.json")).unwrap()
    }

    #[test]
    fn a_row_is_viewed_as_it_lies_in_the_outbox() {
        let rows = good();
        assert_eq!(rows.len(), 1);
        let event = rows[0].event.as_ref().unwrap();
        assert!(event.body.contains(&*rows[0].event_id));
        assert_eq!(event.group.as_deref(), Some("user_456"));
        let attributes: Vec<_> = event.attributes().map(|a| (a.name, a.data_type)).collect();
        assert_eq!(
            attributes,
            [
                ("type", "String"),
                ("version", "Number"),
                ("correlationId", "String"),
                ("traceparent", "String"),
            ]
        );
        assert_eq!(rows[0].inserted_at, Some(1_793_611_800_000));
    }

    #[test]
    fn only_inserted_rows_of_an_outbox_are_taken() {
        let record = |name: &str, pk: &str| {
            format!(
                r#"{{"Records":[{{"eventName":"{name}","dynamodb":{{"Keys":{{"pk":{{"S":"{pk}"}},"sk":{{"S":"-"}}}}}}}}]}}"#
            )
        };
        let taken = |name, pk| inserted(&record(name, pk)).unwrap().len();
        assert_eq!(taken("INSERT", "outbox#2026110209#1"), 1);
        assert_eq!(taken("MODIFY", "outbox#2026110209#1"), 0);
        assert_eq!(taken("REMOVE", "outbox#2026110209#1"), 0);
        assert_eq!(taken("INSERT", "reservation#1"), 0);
        assert_eq!(taken("INSERT", "inbox#outbox#"), 0);
    }

    #[test]
    fn a_row_without_body_or_type_is_no_event() {
        for image in [
            r#"{"type":{"S":"order.placed"}}"#,
            r#"{"body":{"S":"{}"}}"#,
            r#"{"type":{"S":""},"body":{"S":"{}"}}"#,
            r#"{"type":{"S":"a"},"body":{"S":""}}"#,
            r#"{"type":{"S":"a"},"body":{"BOOL":true}}"#,
        ] {
            let raw = format!(r#"{{"NewImage":{image}}}"#);
            assert!(event_of(&raw).is_err(), "{image}");
        }
        assert_eq!(
            event_of(r#"{"NewImage":{"type":{"S":"a"}}}"#).unwrap_err(),
            "the row cannot be read: missing field `body`"
        );
        let personal = event_of(r#"{"NewImage":{"body":"ada@example.com"}}"#).unwrap_err();
        assert!(!personal.contains("ada"), "{personal}");
    }

    #[test]
    fn an_attribute_that_sns_would_refuse_is_left_out() {
        for value in ["", "\\u0001", "a\\uffff"] {
            let raw = format!(
                r#"{{"NewImage":{{"type":{{"S":"a"}},"body":{{"S":"{{}}"}},"correlationId":{{"S":"{value}"}}}}}}"#
            );
            let event = event_of(&raw).unwrap();
            assert_eq!(event.attributes().count(), 1, "{value}");
            assert_eq!(event.bytes(), "{}".len() + "typeString".len() + "a".len());
        }
    }

    #[test]
    fn what_is_no_stream_event_is_an_error() {
        for payload in [
            "",
            "{}",
            r#"{"Records":[{}]}"#,
            r#"{"Records":[{"messageId":"m","body":"{}"}]}"#,
        ] {
            assert!(inserted(payload).is_err(), "{payload}");
        }
    }
}
