//! The characters that SQS and SNS take, which are those of XML 1.0: one other refuses the whole message.

use std::borrow::Cow;

/// Whether SQS and SNS take the text, as a body or as the value of an attribute.
#[must_use]
pub fn is_sendable(text: &str) -> bool {
    text.chars().all(|c| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    })
}

/// The same JSON in characters that SQS and SNS take. JSON has escaped the control characters already, which leaves
/// the two that it lets stand in a string.
#[must_use]
pub fn sendable_json(json: &str) -> Cow<'_, str> {
    if !json.contains(['\u{fffe}', '\u{ffff}']) {
        return Cow::Borrowed(json);
    }
    let escaped = json.replace('\u{fffe}', "\\ufffe");
    Cow::Owned(escaped.replace('\u{ffff}', "\\uffff"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_xml_has_no_place_for_is_not_sendable() {
        for text in ["", "a\tb\r\n", "ä€", "\u{7f}", "\u{fffd}", "\u{1fffe}"] {
            assert!(is_sendable(text), "{text:?}");
        }
        for text in ["\0", "a\u{1}", "\u{1f}", "\u{b}", "\u{fffe}", "\u{ffff}"] {
            assert!(!is_sendable(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn json_becomes_sendable_and_says_the_same(text in "(?s).*[\u{0}\u{fffd}-\u{ffff}]?.*") {
            let json = serde_json::to_string(&text).unwrap();
            let sendable = sendable_json(&json);
            prop_assert!(is_sendable(&sendable));
            prop_assert_eq!(serde_json::from_str::<String>(&sendable).unwrap(), text);
        }
    }
}
