//! Where a letter goes.

use dashpot::Personal;

/// An e-mail address that can stand in a header as it is. It never prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Personal<String>);

/// A text that is no e-mail address. Says nothing of the text: it is personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the customer's e-mail address is none that a letter can be sent to")]
pub struct InvalidAddress;

/// The longest address, in bytes (RFC 5321).
const LONGEST: usize = 254;

/// What separates, quotes or comments in a header of addresses (RFC 5322): one address must stay one.
const SPECIAL: &[u8] = b",;:<>()[]\\\"";

impl Address {
    /// Accepts `local@domain.tld` in visible ASCII without quoting. Whether somebody lives there, only a letter
    /// can tell.
    ///
    /// # Errors
    /// [`InvalidAddress`] for anything else.
    pub fn parse(text: &Personal<String>) -> Result<Self, InvalidAddress> {
        let (local, domain) = text.expose().split_once('@').ok_or(InvalidAddress)?;
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'@' && !SPECIAL.contains(&byte);
        let labels = domain.split('.').collect::<Vec<_>>();
        let fits = text.expose().len() <= LONGEST && !local.is_empty() && labels.len() > 1;
        if fits
            && local.bytes().chain(domain.bytes()).all(plain)
            && labels.iter().all(|label| !label.is_empty())
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
        let long = format!("{}@example.com", "x".repeat(250));
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
            &long,
        ] {
            assert_eq!(parse(text), Err(InvalidAddress), "{text:?}");
        }
    }
}
