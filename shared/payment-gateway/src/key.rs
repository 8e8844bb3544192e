//! The key that opens the provider.

use std::fmt;

/// A secret API key. It never prints, and only this crate can read it.
#[derive(Clone)]
pub struct SecretKey(String);

/// A text that is no key. Says nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payment provider's key must be one word of visible ASCII characters")]
pub struct InvalidKey;

impl SecretKey {
    /// Takes a key; space around it, such as the line end that editors add, is cut off.
    ///
    /// # Errors
    /// [`InvalidKey`] if nothing is left, or if it could not stand in an HTTP header.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let key = text.trim();
        if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(key.to_owned()))
        } else {
            Err(InvalidKey)
        }
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_key_does_not_print() {
        let key = SecretKey::parse("sk_test_123\n").unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(..)");
        assert_eq!(key.expose(), "sk_test_123");
    }

    #[test]
    fn what_could_not_stand_in_a_header_is_no_key() {
        for text in ["", " \n", "sk test", "sk\ntest", "clé"] {
            assert!(SecretKey::parse(text).is_err(), "{text:?}");
        }
    }
}
