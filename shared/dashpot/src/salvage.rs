//! An SQS event that cannot be read as a whole, read record by record: what is wrong with one message says
//! nothing about its neighbours.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::message::{Attributes, Message};

/// The messages of the event, those whose body is none with what is [wrong](Message::defect) about it. Whatever else
/// cannot be read is as if SQS had not said it: none of it decides about a message.
///
/// None where it is no SQS event, or where a message has no id that the answer could name.
pub(crate) fn salvage(payload: &str) -> Option<Vec<Message<'_>>> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "Records", borrow)]
        records: Vec<Fields<'a>>,
    }

    let event: Event<'_> = strict_json::from_str(payload).ok()?;
    event.records.iter().map(message).collect()
}

fn message<'a>(fields: &Fields<'a>) -> Option<Message<'a>> {
    let text = |name| fields.read::<Text<'a>>(name).unwrap_or_default().0;
    let (body, defect) = match fields.read::<Text<'a>>("body") {
        Ok(Text(body)) => (body, None),
        // The raw text is what there is to look at in the dead-letter queue.
        Err(defect) => {
            let raw = fields.get("body").next().map_or("", RawValue::get);
            (Cow::Borrowed(raw), Some(format!("body: {defect}")))
        }
    };
    Some(Message {
        message_id: fields.read::<Text<'a>>("messageId").ok()?.0,
        receipt_handle: text("receiptHandle"),
        body,
        attributes: fields
            .read::<Attributes<'a>>("attributes")
            .unwrap_or_default(),
        message_attributes: fields.get("messageAttributes").next().map(RawValue::get),
        source_arn: text("eventSourceARN"),
        defect,
    })
}

/// An object whose members have not been looked at yet.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// What is wrong with a member of a record.
enum Defect {
    Missing,
    Twice,
    NoText,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Twice => "is there more than once",
            Self::NoText => "expected a string",
        })
    }
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> impl Iterator<Item = &'a RawValue> {
        let named = self.0.iter().filter(move |(field, _)| field == name);
        named.map(|(_, value)| *value)
    }

    fn read<T: Deserialize<'a>>(&self, name: &str) -> Result<T, Defect> {
        let mut named = self.get(name);
        let value = named.next().ok_or(Defect::Missing)?;
        if named.next().is_some() {
            return Err(Defect::Twice);
        }
        strict_json::from_str(value.get()).map_err(|_| Defect::NoText)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Members).map(Self)
    }
}

/// A text, borrowed where it holds no escape.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn salvaged(record: &str) -> Option<Message<'static>> {
        let event = format!(r#"{{"Records":[{record}]}}"#).leak();
        Some(salvage(event)?.remove(0))
    }

    #[test]
    fn a_body_that_is_none_is_a_defect_of_its_own_message() {
        for (body, raw, defect) in [
            ("null", "null", "body: expected a string"),
            ("7", "7", "body: expected a string"),
            (r#"{"a":1}"#, r#"{"a":1}"#, "body: expected a string"),
            (r#""a\ud800""#, r#""a\ud800""#, "body: expected a string"),
            (
                r#""x","body":"y""#,
                r#""x""#,
                "body: is there more than once",
            ),
        ] {
            let message = salvaged(&format!(r#"{{"messageId":"m","body":{body}}}"#)).unwrap();
            assert_eq!(message.message_id, "m");
            assert_eq!(
                (&*message.body, message.defect.as_deref()),
                (raw, Some(defect))
            );
        }
    }

    #[test]
    fn what_is_wrong_beside_the_body_decides_nothing() {
        let message = salvaged(
            r#"{"messageId":"m","receiptHandle":null,"body":"b\n","attributes":[],"messageAttributes":7,"eventSourceARN":{}}"#,
        )
        .unwrap();
        assert_eq!((&*message.body, &message.defect), ("b\n", &None));
        assert_eq!((&*message.receipt_handle, message.attempt()), ("", 1));
        assert!(message.sender_attributes().is_empty());
    }

    #[test]
    fn a_message_without_an_id_cannot_be_named() {
        for record in [
            r#"{"body":"x"}"#,
            r#"{"messageId":null,"body":"x"}"#,
            r#"{"messageId":7,"body":"x"}"#,
            r#"{"messageId":"a","messageId":"b","body":"x"}"#,
            r#"["m","r","x"]"#,
            "null",
        ] {
            assert!(salvaged(record).is_none(), "{record}");
        }
    }
}
