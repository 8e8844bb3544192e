//! A record of a stream, and its JSON.

use std::sync::Arc;
use std::time::Duration;

use dashpot::{Item, Key, Value};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tokio::time::Instant;

/// How long a stream keeps a record: a day.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>
const RETENTION: Duration = Duration::from_hours(24);

/// What was done to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventName {
    /// It came into being.
    Insert,
    /// It changed.
    Modify,
    /// It went.
    Remove,
}

/// One change of one row.
#[derive(Debug, Clone)]
pub struct StreamRecord {
    /// Its place in the stream.
    pub sequence_number: u64,
    /// What was done.
    pub event_name: EventName,
    /// To which row.
    pub key: Key,
    /// The row as it stands since; none if it went.
    pub new_image: Option<Arc<Item>>,
    /// When, in milliseconds since the Unix epoch.
    pub created: u64,
    pub(super) at: Instant,
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordJson<'a> {
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: EventName,
    event_version: &'static str,
    event_source: &'static str,
    aws_region: &'static str,
    dynamodb: ChangeJson<'a>,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeJson<'a> {
    approximate_creation_date_time: u64,
    keys: KeysJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<ItemJson<'a>>,
    sequence_number: String,
    size_bytes: usize,
    stream_view_type: &'static str,
}

#[derive(Serialize)]
struct KeysJson<'a> {
    pk: TextJson<'a>,
    sk: TextJson<'a>,
}

#[derive(Serialize)]
struct TextJson<'a> {
    #[serde(rename = "S")]
    text: &'a str,
}

struct ItemJson<'a>(&'a Item);

impl Serialize for ItemJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, ValueJson(value))))
    }
}

/// A value in DynamoDB's JSON: `{"S": ".."}`.
struct ValueJson<'a>(&'a Value);

impl Serialize for ValueJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self.0 {
            Value::S(text) => map.serialize_entry("S", text)?,
            Value::N(number) => map.serialize_entry("N", &number.to_string())?,
            Value::Bool(truth) => map.serialize_entry("BOOL", truth)?,
            Value::List(values) => {
                let values: Vec<ValueJson<'_>> = values.iter().map(ValueJson).collect();
                map.serialize_entry("L", &values)?;
            }
            Value::Map(item) => map.serialize_entry("M", &ItemJson(item))?,
        }
        map.end()
    }
}

impl StreamRecord {
    /// The number by which an answer names it: digits, more of them in a later record.
    #[must_use]
    pub fn identifier(&self) -> String {
        identifier(self.sequence_number)
    }

    /// Whether the stream still holds it.
    pub(super) fn is_held(&self) -> bool {
        self.at.elapsed() < RETENTION
    }

    /// The record in an event of the stream with that ARN.
    pub(super) fn json(&self, arn: &str) -> String {
        let key = &self.key;
        let image = self.new_image.as_deref();
        let record = RecordJson {
            event_id: format!("{:032x}", self.sequence_number),
            event_name: self.event_name,
            event_version: "1.1",
            event_source: "aws:dynamodb",
            aws_region: "eu-central-1",
            dynamodb: ChangeJson {
                approximate_creation_date_time: self.created / 1000,
                keys: KeysJson {
                    pk: TextJson { text: &key.pk },
                    sk: TextJson { text: &key.sk },
                },
                new_image: image.map(ItemJson),
                sequence_number: self.identifier(),
                size_bytes: key.pk.len() + key.sk.len() + 4,
                stream_view_type: "NEW_IMAGE",
            },
            event_source_arn: arn,
        };
        // Texts and maps with text keys: nothing that serde_json could refuse.
        serde_json::to_string(&record).unwrap_or_default()
    }
}

/// DynamoDB's sequence numbers have 21 digits and more.
fn identifier(sequence_number: u64) -> String {
    format!("1{sequence_number:020}")
}
