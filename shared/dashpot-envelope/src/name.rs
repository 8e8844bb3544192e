//! Names and ids as a producer may choose them: of any script, but such that a key, a header and a line of a log
//! or a terminal shows them as they are.

use std::borrow::Cow;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, de};

/// The longest name or id, in bytes: it becomes a key and an attribute.
const LONGEST: usize = 256;

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a name that must be there.
pub(crate) fn required<'de, D: Deserializer<'de>>(reader: D) -> Result<Cow<'de, str>, D::Error> {
    let Text(name) = Text::deserialize(reader)?;
    if name.is_empty() {
        return Err(D::Error::custom("must not be empty"));
    }
    check(&name).map(|()| name)
}

/// Reads a name that may be missing, null or empty.
pub(crate) fn optional<'de, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<Cow<'de, str>>, D::Error> {
    let name = Option::<Text<'de>>::deserialize(reader)?.map(|text| text.0);
    check(name.as_deref().unwrap_or_default()).map(|()| name)
}

fn check<E: de::Error>(name: &str) -> Result<(), E> {
    if name.len() > LONGEST {
        return Err(E::custom(format_args!("has more than {LONGEST} bytes")));
    }
    // Not `all`: without a way out in the middle the compiler looks at many at once.
    let is_plain = |byte| matches!(byte, b' '..=b'~');
    let plain = name
        .bytes()
        .fold(true, |plain, byte| plain & is_plain(byte));
    if plain || name.chars().all(is_visible) {
        return Ok(());
    }
    Err(E::custom("has a character that does not show"))
}

/// Neither a control character, nor one that breaks a line, hides, or turns the direction of what follows, nor one
/// that XML, and so SQS, has no place for.
fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Result<(), strict_json::Malformed> {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow, deserialize_with = "required", rename = "name")]
            _name: Cow<'a, str>,
        }
        let json = serde_json::json!({ "name": name }).to_string();
        strict_json::from_str::<Named<'_>>(&json).map(drop)
    }

    #[test]
    fn a_name_may_be_of_any_kind_that_shows() {
        let longest = "x".repeat(LONGEST);
        for name in [
            "order.placed",
            "com.example.object.deleted.v2",
            "EC2 Instance State-change Notification",
            "urn:uuid:019363f0-7b1c-7000-8000-000000000000",
            "https://example.com/orders/1#2?a=b&c=%20",
            "aGVsbG8+/w==",
            "Bestellung.übermittelt",
            "注文.確定",
            "👩\u{200d}💻",
            &longest,
        ] {
            assert!(read(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_name_that_does_not_show_as_it_is_is_refused() {
        let long = "x".repeat(LONGEST + 1);
        for name in [
            "",
            "a\0",
            "a\nb",
            "a\u{1b}[2J",
            "a\u{7f}",
            "a\u{9b}31m",
            "a\u{2028}b",
            "a\u{202e}b",
            "a\u{feff}",
            "a\u{ffff}",
            &long,
        ] {
            assert!(read(name).is_err(), "{name:?}");
        }
    }
}
