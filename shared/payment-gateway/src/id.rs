//! Identifiers. Each is parsed once, at the edge, and is then safe as a path segment, a header's
//! value and a term of a search query.

use std::fmt;

/// A text that is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to 255 letters, digits, `_` or `-`")]
pub struct InvalidId {
    what: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal $(, $and:expr)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Accepts 1 to 255 ASCII letters, digits, `_` and `-`.
            ///
            /// # Errors
            /// [`InvalidId`] for anything else.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                if is_id(&text) $(&& $and(&text))? { Ok(Self(text)) } else { Err(InvalidId { what: $what }) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// The provider's name for one payment, such as `pi_3MrPBM2eZvKYlo2C1TEMacFD`.
    IntentId,
    "a payment intent's id"
);
id!(
    /// The provider's name for one refund, such as `re_1Nispe2eZvKYlo2Cd31jOCgZ`.
    RefundId,
    "a refund's id"
);
id!(
    /// The provider's token for a customer's card, such as `pm_card_visa`. At least one letter or `_` tells it from
    /// the card's number, which is not the shop's to hold.
    PaymentMethodId,
    "a payment method's token, which is no card number,",
    is_no_number
);
id!(
    /// The shop's own name for what is paid for.
    OrderId,
    "an order's id"
);

fn is_id(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn is_no_number(text: &str) -> bool {
    text.bytes()
        .any(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_a_path_a_header_or_a_query_is_no_id() {
        let long = "x".repeat(256);
        for text in [
            "", ".", "..", "a/b", "a b", "a'b", "a\nb", "a%2F", "é", &long,
        ] {
            assert!(IntentId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_card_number_is_no_token() {
        for text in ["4242424242424242", "4242-4242-4242-4242"] {
            assert!(PaymentMethodId::parse(text).is_err(), "{text}");
        }
        assert!(PaymentMethodId::parse("pm_card_visa").is_ok());
    }

    #[test]
    fn ids_of_the_provider_and_uuids_are_ids() {
        for text in [
            "pi_3MrPBM2eZvKYlo2C",
            "019363f0-7b1c-7000-8000-000000000000",
        ] {
            assert_eq!(
                IntentId::parse(text).map(|id| id.to_string()).as_deref(),
                Ok(text)
            );
        }
    }
}
