//! Where a customer's letters go.

use dashpot_envelope::Personal;

/// An e-mail address that can stand in a header as it is. It never prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Personal<String>);

/// A text that is no e-mail address. Says nothing of the text: it is personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the customer's e-mail address is none that a letter can be sent to")]
pub struct InvalidAddress;

/// The longest address and its longest parts, in bytes (RFC 5321, RFC 1035).
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
const LONGEST_LABEL: usize = 63;

/// What separates, quotes or comments in a header of addresses (RFC 5322): one address must stay one.
const SPECIAL: &[u8] = b"@,;:<>()[]\\\"";

impl Address {
    /// Accepts `local@domain.tld` in visible ASCII without quoting, as far as carriers take it. Whether somebody
    /// lives there, only a letter can tell.
    ///
    /// # Errors
    /// [`InvalidAddress`] for anything else.
    pub fn parse(text: &Personal<String>) -> Result<Self, InvalidAddress> {
        let (local, domain) = text.expose().split_once('@').ok_or(InvalidAddress)?;
        let fits = text.expose().len() <= LONGEST && local.len() <= LONGEST_LOCAL;
        if fits
            && local.split('.').all(is_word)
            && domain.contains('.')
            && domain.split('.').all(is_label)
        {
            Ok(Self(text.clone()))
        } else {
            Err(InvalidAddress)
        }
    }

    /// The address, for the one place that sends.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// What stands between the dots of the part before the `@`.
fn is_word(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !SPECIAL.contains(&byte);
    !word.is_empty() && word.bytes().all(plain)
}

/// What stands between the dots of a domain.
fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, InvalidAddress> {
        Address::parse(&Personal::new(text.to_owned()))
    }

    #[test]
    fn usual_addresses_are_taken() {
        for text in [
            "ada@example.com",
            "a.b+c@mail.example.co.uk",
            "o'neil@x-y.io",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_single_plain_address_is_refused() {
        let long = format!("ada@{}com", "example.".repeat(32));
        let long_local = format!("{}@example.com", "x".repeat(65));
        let long_label = format!("ada@{}.com", "x".repeat(64));
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "ada@example..com",
            "ada@exa mple.com",
            "ada@example.com\r\nBcc: all@example.com",
            "ada@example.com,bob@example.com",
            "Ada <ada@example.com>",
            "ada@bob@example.com",
            "adä@example.com",
            "ada\u{ffff}@example.com",
            "ada@example.com\0",
            "\"ada\"@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "ada@.example.com",
            "ada@example.com.",
            "ada@-example.com",
            "ada@exam_ple.com",
            "ada@[127.0.0.1]",
            &long,
            &long_local,
            &long_label,
        ] {
            assert_eq!(parse(text), Err(InvalidAddress), "{text:?}");
        }
    }
}
