//! JSON from outside, read into types with serde, in two ways stricter than `serde_json` itself:
//!
//! - **A struct is an object.** Derived code also takes an array of the fields' values, in which one value more or
//!   less changes what all the others mean. Here that is an error, at any depth.
//! - **An error names the field and the position, and never what was found**: that may be personal, and an error ends in
//!   logs and notes.
//!
//! ```
//! use std::num::NonZeroU32;
//!
//! #[derive(serde::Deserialize, Debug)]
//! struct Order { items: Vec<Item> }
//! #[derive(serde::Deserialize, Debug)]
//! struct Item { sku: String, quantity: NonZeroU32 }
//!
//! let order = strict_json::from_str::<Order>(r#"{"items":[{"sku":"chair","quantity":2}]}"#)?;
//! assert_eq!(order.items[0].quantity.get(), 2);
//!
//! let error = strict_json::from_str::<Order>(r#"{"items":[{"sku":"chair","quantity":-2}]}"#).unwrap_err();
//! assert_eq!(error.to_string(), "items[0].quantity: expected a whole number above 0, at line 1 column 38");
//!
//! let error = strict_json::from_str::<Order>(r#"[[["chair",2]]]"#).unwrap_err();
//! assert_eq!(error.to_string(), "expected an object, at line 1 column 0");
//! # Ok::<(), strict_json::Malformed>(())
//! ```
//!
//! What is well-formed is read in one pass, at the price of `serde_json`. What is not is read a second time, to
//! learn where.
//!
//! What serde holds back before it knows the type (flattened, untagged and tagged enums) is beyond the reach of
//! the first rule.

mod malformed;
mod strict;
mod trail;

use serde::Deserialize;

pub use malformed::Malformed;

use strict::Strict;
use trail::Trail;

/// Reads a text that is one JSON value.
///
/// # Errors
/// [`Malformed`] says what is wrong, and where.
pub fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Malformed> {
    parse(text, None).or_else(|_| {
        let trail = Trail::default();
        parse(text, Some(&trail)).map_err(|error| Malformed::of(&error, trail))
    })
}

/// Reads bytes that are one JSON value, in UTF-8.
///
/// # Errors
/// [`Malformed`] says what is wrong, and where.
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (good, _) = bytes.split_at(error.valid_up_to());
        Malformed::new("expected UTF-8").after(good)
    })?;
    from_str(text)
}

fn parse<'de, T: Deserialize<'de>>(
    text: &'de str,
    trail: Option<&Trail>,
) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Strict::new(&mut json, trail))?;
    json.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::BTreeMap;
    use std::fmt::Debug;
    use std::num::NonZeroU32;

    use proptest::prelude::*;
    use serde::Serialize;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Order {
        id: Id,
        #[serde(default)]
        items: Vec<Item>,
        note: Option<Note>,
        #[serde(default)]
        labels: BTreeMap<String, Item>,
        #[serde(default)]
        pair: (Option<Note>, u8),
        kind: Option<Kind>,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Item {
        sku: String,
        quantity: NonZeroU32,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Note {
        text: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Plain,
        Wrapped(Note),
        Pair(Note, u8),
        Express { days: u8 },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(try_from = "String")]
    struct Id(String);

    impl TryFrom<String> for Id {
        type Error = &'static str;

        fn try_from(text: String) -> Result<Self, &'static str> {
            if text.is_empty() {
                return Err("an id must not be empty");
            }
            Ok(Self(text))
        }
    }

    fn error<T: for<'de> Deserialize<'de> + Debug>(text: &str) -> String {
        from_str::<T>(text).unwrap_err().to_string()
    }

    #[test]
    fn an_array_is_no_struct_wherever_it_lies() {
        for (text, path) in [
            (r#"["a",[],null,{},[null,0],null]"#, ""),
            (r#"{"id":"a","items":[["chair",2]]}"#, "items[0]: "),
            (r#"{"id":"a","note":["x"]}"#, "note: "),
            (r#"{"id":"a","labels":{"l":["chair",2]}}"#, "labels.*: "),
            (r#"{"id":"a","pair":[["x"],1]}"#, "pair[0]: "),
            (r#"{"id":"a","kind":{"Wrapped":["x"]}}"#, "kind: "),
            (r#"{"id":"a","kind":{"Pair":[["x"],1]}}"#, "kind[0]: "),
            (r#"{"id":"a","kind":{"Express":[1]}}"#, "kind: "),
        ] {
            let error = error::<Order>(text);
            let says = format!("{path}expected an object, at line 1 column ");
            assert!(error.starts_with(&says), "{text}: {error}");
            assert!(serde_json::from_str::<Order>(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_error_names_field_and_position() {
        for (text, says) in [
            ("{}", "id: is missing, at line 1 column 2"),
            (
                "{\"id\":\"a\",\n \"items\":[{\"sku\":\"b\",\"quantity\":0}]}",
                "items[0].quantity: expected a whole number above 0, at line 2 column 33",
            ),
            (
                r#"{"id":"a","items":[{"quantity":1}]}"#,
                "items[0].sku: is missing, at line 1 column 33",
            ),
            (
                r#"{"id":"a","id":"b"}"#,
                "id: is there more than once, at line 1 column 14",
            ),
            (
                r#"{"id":""}"#,
                "id: an id must not be empty, at line 1 column 9",
            ),
            (
                r#"{"id":"a","pair":[null,256]}"#,
                "pair[1]: expected a whole number from 0 to 255, at line 1 column 26",
            ),
            (
                r#"{"id":"a","kind":"Slow"}"#,
                "kind: expected one of `Plain`, `Wrapped`, `Pair`, `Express`, at line 1 column 23",
            ),
            (r#"{"id":"a""#, "ends within an object, at line 1 column 9"),
            ("", "ends within a value, at line 1 column 0"),
            ("nothing", "expected a value, at line 1 column 2"),
            (
                r#"{"id":"a"}}"#,
                "expected nothing more, at line 1 column 11",
            ),
            (
                r#"{"id":"\ud800"}"#,
                "id: unexpected end of hex escape, at line 1 column 14",
            ),
        ] {
            assert_eq!(error::<Order>(text), says, "{text}");
        }
    }

    #[test]
    fn what_was_found_is_never_told() {
        for text in [
            r#"{"id":"a","items":"SECRET"}"#,
            r#"{"id":"a","items":"SECRET, expected u8"}"#,
            r#"{"id":"a","items":["SECRET"]}"#,
            r#"{"id":"a","kind":"SECRET"}"#,
            r#"{"id":"a","kind":{"SECRET":1}}"#,
            r#"{"id":"a","labels":{"SECRET":{"sku":1,"quantity":1}}}"#,
        ] {
            let error = error::<Order>(text);
            assert!(!error.contains("SECRET"), "{error}");
        }
        assert_eq!(
            error::<Closed>(r#"{"SECRET":1}"#),
            "has a member that is not known here, at line 1 column 9"
        );
        assert_eq!(error::<Telltale>(r#""SECRET""#), "cannot take");
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Closed {}

    /// A type that quotes what it does not like, as many do.
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    struct Telltale;

    impl TryFrom<String> for Telltale {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            Err(format!("cannot take {text:?}"))
        }
    }

    #[test]
    fn a_part_of_a_document_is_wrong_where_it_lies_in_the_whole() {
        let whole = "{\n \"payload\": {\"id\":\n7}}";
        let parts: BTreeMap<String, &RawValue> = from_str(whole).unwrap();
        let part = parts["payload"];
        let error = from_str::<Order>(part.get()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "id: expected a string, at line 2 column 1"
        );
        let error = error.within("payload", whole, part);
        assert_eq!(
            error.to_string(),
            "payload.id: expected a string, at line 3 column 1"
        );
        let root = from_str::<Order>("[]")
            .unwrap_err()
            .within("payload", whole, part);
        assert_eq!(
            root.to_string(),
            "payload: expected an object, at line 2 column 12"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_malformed_where_they_end_to_be() {
        let error = from_slice::<Order>(b"{\"id\":\n \"\xff\"}").unwrap_err();
        assert_eq!(error.to_string(), "expected UTF-8, at line 2 column 3");
        assert!(from_slice::<Order>(br#"{"id":"a"}"#).is_ok());
    }

    #[test]
    fn a_document_that_is_nested_as_deep_as_it_is_long_is_an_error() {
        let deep = "[".repeat(100_000);
        let error = error::<Value>(&deep);
        assert!(error.starts_with("[0][0]") && error.len() < 100, "{error}");
        assert!(
            error.contains("…: is nested too deeply, at line 1"),
            "{error}"
        );
        let skipped = format!(r#"{{"id":"a","other":{}{}}}"#, deep, "]".repeat(100_000));
        assert!(from_str::<Order>(&skipped).is_ok());
    }

    fn any_item() -> impl Strategy<Value = Item> {
        (".*", 1..u32::MAX).prop_map(|(sku, quantity)| Item {
            sku,
            quantity: NonZeroU32::new(quantity).unwrap(),
        })
    }

    fn any_order() -> impl Strategy<Value = Order> {
        let note = || proptest::option::of(".*".prop_map(|text| Note { text }));
        let kind = prop_oneof![
            Just(None),
            Just(Some(Kind::Plain)),
            ".*".prop_map(|text| Some(Kind::Wrapped(Note { text }))),
            (".*", 0..=255_u8).prop_map(|(text, n)| Some(Kind::Pair(Note { text }, n))),
            (0..=255_u8).prop_map(|days| Some(Kind::Express { days })),
        ];
        let items = proptest::collection::vec(any_item(), 0..4);
        let labels = proptest::collection::btree_map(".*", any_item(), 0..3);
        (".+", items, note(), labels, (note(), 0..=255_u8), kind).prop_map(
            |(id, items, note, labels, pair, kind)| Order {
                id: Id(id),
                items,
                note,
                labels,
                pair,
                kind,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(order in any_order()) {
            let text = serde_json::to_string(&order).unwrap();
            prop_assert_eq!(from_str::<Order>(&text).unwrap(), order);
        }

        #[test]
        fn what_is_refused_at_all_is_refused_here_too(text in ".*", at in 0.0..1.0_f64, order in any_order()) {
            let mut whole = serde_json::to_string(&order).unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "any place will do")]
            let mut at = (whole.len() as f64 * at) as usize;
            while !whole.is_char_boundary(at) {
                at -= 1;
            }
            whole.insert_str(at, &text);
            if let Ok(read) = from_str::<Order>(&whole) {
                prop_assert_eq!(serde_json::from_str::<Order>(&whole).unwrap(), read);
            }
        }
    }
}
