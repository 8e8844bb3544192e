//! Values as DynamoDB has them, and back.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::row::{Item, Key, Row, Value};
use crate::store::StoreError;

fn to_value(value: &Value) -> AttributeValue {
    match value {
        Value::S(text) => AttributeValue::S(text.clone()),
        Value::N(number) => AttributeValue::N(number.to_string()),
        Value::Bool(truth) => AttributeValue::Bool(*truth),
        Value::List(values) => AttributeValue::L(values.iter().map(to_value).collect()),
        Value::Map(item) => AttributeValue::M(to_attributes(item)),
    }
}

pub(super) fn attribute(value: &Value) -> AttributeValue {
    to_value(value)
}

pub(super) fn to_attributes(item: &Item) -> HashMap<String, AttributeValue> {
    item.iter()
        .map(|(name, value)| (name.clone(), to_value(value)))
        .collect()
}

pub(super) fn to_item(row: &Row) -> HashMap<String, AttributeValue> {
    let mut item = to_attributes(&row.attributes);
    item.extend(key_item(&row.key));
    item
}

pub(super) fn key_item(key: &Key) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

/// Attributes of kinds that are never written here (binaries, sets, fractions) are an error: they are not ours.
pub(super) fn from_item(item: HashMap<String, AttributeValue>) -> Result<Item, StoreError> {
    item.into_iter()
        .map(|(name, value)| match from_value(value) {
            Some(value) => Ok((name, value)),
            None => Err(StoreError(format!(
                "the attribute `{name}` is of a kind that is not used here"
            ))),
        })
        .collect()
}

fn from_value(value: AttributeValue) -> Option<Value> {
    Some(match value {
        AttributeValue::S(text) => Value::S(text),
        AttributeValue::N(number) => Value::N(number.parse().ok()?),
        AttributeValue::Bool(truth) => Value::Bool(truth),
        AttributeValue::L(values) => {
            Value::List(values.into_iter().map(from_value).collect::<Option<_>>()?)
        }
        AttributeValue::M(item) => Value::Map(from_item(item).ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_went() {
        let row = Row::new(Key::of("a", "b"))
            .set("text", "t")
            .set("number", -7_i64)
            .set("truth", true)
            .set("list", vec!["x", "y"])
            .set("map", Item::from([("n".to_owned(), Value::N(1))]));
        let back = from_item(to_item(&row)).unwrap();
        assert_eq!(back.get("pk"), Some(&Value::from("a")));
        assert!(
            row.attributes
                .iter()
                .all(|(name, value)| back.get(name) == Some(value))
        );
    }

    #[test]
    fn a_kind_that_is_not_ours_is_an_error() {
        let foreign = HashMap::from([("x".to_owned(), AttributeValue::N("1.5".into()))]);
        assert!(from_item(foreign).is_err());
    }
}
