//! The outbox rows of a batch, viewed in the event that the table's stream sends.

use std::borrow::Cow;
use std::time::Duration;

use dashpot::is_sendable;
use serde::Deserialize;
use serde_json::value::RawValue;
use strict_json::Malformed;

/// A row that was inserted into an outbox.
#[derive(Debug)]
pub struct Inserted<'a> {
    /// Its sort key: the event's id. None where the record's keys cannot be read.
    pub event_id: Option<Cow<'a, str>>,
    /// The stream's own id of the record.
    pub record_id: Cow<'a, str>,
    /// The stream's ARN.
    pub stream_arn: Cow<'a, str>,
    /// When it was inserted, in milliseconds since the Unix epoch.
    pub inserted_at: Option<u64>,
    /// The event or command to publish, or what keeps the row from being one.
    pub event: Result<Event<'a>, String>,
    /// What the stream says about the row, as JSON.
    pub raw: &'a str,
}

/// What is published.
#[derive(Debug, Default)]
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
    /// The logical name of the queue that a command is for, whatever it is; none in an event, which is for the topic.
    pub to: Option<Cow<'a, str>>,
    /// When a command arrives.
    pub timing: Timing<'a>,
}

/// When a command arrives.
#[derive(Debug, Default)]
pub enum Timing<'a> {
    /// At once.
    #[default]
    Now,
    /// At that time, in milliseconds since the Unix epoch.
    Due(u64),
    /// At that time, unless what has that name is taken back before.
    Schedule(Cow<'a, str>, u64),
    /// Never: it takes back what has that name.
    Cancels(Cow<'a, str>),
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

    /// Its size as SNS and SQS count it, in bytes, attributes and group included.
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

/// What is wrong with one record says nothing about the others: all that is looked at here is that it is one.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(rename = "eventID", borrow)]
    id: Option<&'a RawValue>,
    #[serde(rename = "eventName", borrow)]
    name: Option<&'a RawValue>,
    #[serde(rename = "eventSourceARN", borrow)]
    stream_arn: Option<&'a RawValue>,
    #[serde(borrow)]
    dynamodb: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change<'a> {
    #[serde(borrow)]
    keys: Keys<'a>,
    #[serde(borrow)]
    approximate_creation_date_time: Option<&'a RawValue>,
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
    #[serde(borrow)]
    to: Option<Value<'a>>,
    #[serde(borrow)]
    due: Option<Value<'a>>,
    #[serde(borrow)]
    schedule: Option<Value<'a>>,
    #[serde(borrow)]
    cancels: Option<Value<'a>>,
}

impl<'a> Image<'a> {
    /// Who says a time that is none is not heard too early.
    fn timing(&mut self) -> Result<Timing<'a>, Malformed> {
        if let Some(name) = self.cancels.take() {
            return Ok(Timing::Cancels(name.text()));
        }
        let due = self.due.take().map(|due| due.as_str().parse());
        let due = due.transpose();
        let due = due.map_err(|_| Malformed::new("the row's due is no time in milliseconds"))?;
        match (self.schedule.take(), due) {
            (None, None) => Ok(Timing::Now),
            (None, Some(due)) => Ok(Timing::Due(due)),
            (Some(name), Some(due)) => Ok(Timing::Schedule(name.text(), due)),
            (Some(_), None) => Err(Malformed::new(
                "the row has a schedule, and does not say when",
            )),
        }
    }
}

/// A text or a number; the outbox has no other kind.
#[derive(Deserialize)]
enum Value<'a> {
    S(#[serde(borrow)] Cow<'a, str>),
    N(#[serde(borrow)] Cow<'a, str>),
}

impl<'a> Value<'a> {
    fn as_str(&self) -> &str {
        match self {
            Self::S(text) | Self::N(text) => text,
        }
    }

    fn text(self) -> Cow<'a, str> {
        match self {
            Self::S(text) | Self::N(text) => text,
        }
    }
}

/// The outbox rows among the records of a batch. The mapping's filter lets nothing else through; it is not
/// what correctness rests on. A record that cannot be read may be a row, and is told as one without an event.
///
/// # Errors
/// When the payload is no event of a DynamoDB stream.
pub fn inserted(payload: &str) -> Result<Vec<Inserted<'_>>, Malformed> {
    let event: StreamEvent<'_> = strict_json::from_str(payload)?;
    Ok(event.records.iter().filter_map(row).collect())
}

fn row<'a>(record: &Record<'a>) -> Option<Inserted<'a>> {
    let raw = record.dynamodb.get();
    let name = read::<Text<'_>>(record.name);
    let change = strict_json::from_str::<Change<'_>>(raw);
    if name.as_ref().is_some_and(|Text(name)| name != "INSERT") {
        return None;
    }
    let row = |event_id, inserted_at, event: Result<Event<'a>, Malformed>| Inserted {
        event_id,
        record_id: read::<Text<'_>>(record.id).unwrap_or_default().0,
        stream_arn: read::<Text<'_>>(record.stream_arn).unwrap_or_default().0,
        inserted_at,
        event: event.map_err(|error| error.within("dynamodb", raw, record.dynamodb).to_string()),
        raw,
    };
    match change {
        Ok(change) if !change.keys.pk.as_str().starts_with("outbox#") => None,
        Ok(change) => Some(row(
            Some(change.keys.sk.text()),
            read(change.approximate_creation_date_time).and_then(millis),
            if name.is_some() {
                event_of(raw)
            } else {
                Err(Malformed::new("the record does not say what happened"))
            },
        )),
        Err(error) => Some(row(None, None, Err(error))),
    }
}

/// A text, borrowed where it holds no escape.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn read<'a, T: Deserialize<'a>>(value: Option<&'a RawValue>) -> Option<T> {
    strict_json::from_str(value?.get()).ok()
}

fn event_of(raw: &str) -> Result<Event<'_>, Malformed> {
    let WithImage { mut image } = strict_json::from_str(raw)?;
    let timing = image.timing()?;
    let (body, event_type) = (image.body.text(), image.event_type.text());
    if body.is_empty() || event_type.is_empty() {
        return Err(Malformed::new("the row's body or type is empty"));
    }
    Ok(Event {
        body,
        event_type,
        version: present(image.version),
        correlation_id: present(image.correlation_id),
        traceparent: present(image.traceparent),
        group: present(image.group),
        // Also an empty one: a row that says where it goes is not for everybody.
        to: image.to.map(Value::text),
        timing,
    })
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
        assert!(event.body.contains(rows[0].event_id.as_deref().unwrap()));
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
            event_of(r#"{"NewImage":{"type":{"S":"a"}}}"#)
                .unwrap_err()
                .to_string(),
            "NewImage.body: is missing, at line 1 column 30"
        );
        let personal = event_of(r#"{"NewImage":{"body":"ada@example.com"}}"#).unwrap_err();
        assert!(!personal.to_string().contains("ada"), "{personal}");
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
    fn a_row_that_says_where_it_goes_is_a_command_whatever_it_says() {
        for to in ["invoices", "", "\\u0001"] {
            let raw = format!(
                r#"{{"NewImage":{{"type":{{"S":"a"}},"body":{{"S":"{{}}"}},"to":{{"S":"{to}"}}}}}}"#
            );
            let event = event_of(&raw).unwrap();
            assert!(event.to.is_some(), "{to}");
            assert!(event.attributes().all(|it| it.name != "to"), "{to}");
        }
        let event = event_of(r#"{"NewImage":{"type":{"S":"a"},"body":{"S":"{}"}}}"#).unwrap();
        assert_eq!(event.to, None);
        let raw = r#"{"NewImage":{"type":{"S":"a"},"body":{"S":"{}"},"to":{"BOOL":true}}}"#;
        assert!(event_of(raw).is_err());
    }

    #[test]
    fn a_record_that_cannot_be_read_is_a_row_without_an_event() {
        let keys = r#""Keys":{"pk":{"S":"outbox#2026110209#1"},"sk":{"S":"e"}}"#;
        for record in [
            r#""eventName":"INSERT","dynamodb":null"#.to_owned(),
            r#""eventName":"INSERT","dynamodb":{}"#.to_owned(),
            r#""eventName":"INSERT","dynamodb":{"Keys":[{"S":"outbox#"},{"S":"e"}]}"#.to_owned(),
            r#""eventName":"INSERT","dynamodb":{"Keys":{"pk":{"S":"\ud800"},"sk":{"S":"e"}}}"#
                .to_owned(),
            format!(r#""eventName":null,"dynamodb":{{{keys}}}"#),
            format!(r#""dynamodb":{{{keys}}}"#),
            format!(r#""eventName":"INSERT","dynamodb":{{{keys},"NewImage":null}}"#),
        ] {
            let payload =
                format!(r#"{{"Records":[{{"eventID":"r","eventSourceARN":7,{record}}}]}}"#);
            let rows = inserted(&payload).unwrap();
            assert_eq!(rows.len(), 1, "{record}");
            assert_eq!((&*rows[0].record_id, &*rows[0].stream_arn), ("r", ""));
            let error = rows[0].event.as_ref().unwrap_err();
            assert!(error.starts_with("dynamodb"), "{error}");
        }
    }

    #[test]
    fn a_moment_that_is_none_does_not_matter() {
        for moment in ["1e400", "-1", "null", r#""x""#, "1e30", "[]"] {
            let payload = include_str!("../../../events/relay/good.json")
                .replace("Time\": 1793611800", &format!("Time\": {moment}"));
            assert_eq!(inserted(&payload).unwrap()[0].inserted_at, None, "{moment}");
        }
    }

    #[test]
    fn what_is_no_stream_event_is_an_error() {
        for payload in [
            "",
            "{}",
            r#"{"Records":[{}]}"#,
            r#"{"Records":[{"messageId":"m","body":"{}"}]}"#,
            r#"{"Records":[["r","INSERT","arn",{}]]}"#,
        ] {
            assert!(inserted(payload).is_err(), "{payload}");
        }
    }
}
