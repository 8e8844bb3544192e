//! Identifiers, restricted to what is safe in a key, a log line and a URL.

use serde::{Deserialize, Serialize};

/// An identifier was empty, too long, or had a character that it may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to {max} characters out of A-Z a-z 0-9 {marks}")]
pub struct InvalidId {
    what: &'static str,
    max: usize,
    marks: &'static str,
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $what:literal, $max:literal, $marks:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(!try_from, !into))]
        pub struct $name(
            #[cfg_attr(feature = "schema", schemars(regex(pattern = pattern($max, $marks))))]
            String
        );

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                let fits = (1..=$max).contains(&text.len());
                let safe = |byte: u8| byte.is_ascii_alphanumeric() || (byte != b' ' && $marks.as_bytes().contains(&byte));
                if fits && text.bytes().all(safe) {
                    Ok(Self(text))
                } else {
                    Err(InvalidId { what: $what, max: $max, marks: $marks })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// The rule as a regular expression.
#[cfg(feature = "schema")]
fn pattern(max: usize, marks: &str) -> String {
    format!("^[A-Za-z0-9{}]{{1,{max}}}$", marks.replace(' ', ""))
}

id!(
    /// An order.
    OrderId, "an order id", 64, "_ . : -"
);
id!(
    /// A customer's pseudonym; not personal by itself.
    UserId, "a user id", 64, "_ . : -"
);
id!(
    /// A stock keeping unit: what can be ordered.
    Sku, "a sku", 64, "_ . : -"
);
id!(
    /// The payment provider's name for a payment intent; it goes into the paths of the provider's API.
    IntentId, "a payment intent id", 255, "_ -"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_forge_a_key_is_refused() {
        for text in ["", "a#cancelled", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert!(text.parse::<OrderId>().is_err(), "{text:?}");
        }
        assert!("user_456".parse::<UserId>().is_ok());
    }

    #[test]
    fn an_intent_id_that_could_change_a_path_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "pi_1/capture",
            "pi:1",
            "pi 1",
            &"x".repeat(256),
        ] {
            assert!(text.parse::<IntentId>().is_err(), "{text:?}");
        }
        assert!("pi_3MrPBM2eZvKYlo2C-1".parse::<IntentId>().is_ok());
    }
}
