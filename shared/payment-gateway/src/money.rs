//! Amounts.

use std::fmt;

/// How much, in the currency's minor unit (cents for euros, yen for yen).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// The number of minor units.
    pub minor_units: u64,
    /// The currency.
    pub currency: Currency,
}

/// An ISO 4217 currency whose minor unit is also the unit in which Stripe counts it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

/// A text that is no currency that can be charged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a currency that can be charged: an ISO 4217 code such as EUR is wanted (not ISK, MGA or UGX)"
)]
pub struct InvalidCurrency;

/// Stripe counts these in another unit than ISO 4217 does: an amount would be off by a factor of 100.
const COUNTED_OTHERWISE: [[u8; 3]; 3] = [*b"ISK", *b"MGA", *b"UGX"];

impl Currency {
    /// Accepts three ASCII letters in either case. Whether the provider takes it, it says itself.
    ///
    /// # Errors
    /// [`InvalidCurrency`] for anything else, and for the three that Stripe counts in another unit.
    pub fn parse(code: &str) -> Result<Self, InvalidCurrency> {
        let letters: [u8; 3] = code.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        let letters = letters.map(|letter| letter.to_ascii_uppercase());
        if letters.iter().all(u8::is_ascii_uppercase) && !COUNTED_OTHERWISE.contains(&letters) {
            Ok(Self(letters))
        } else {
            Err(InvalidCurrency)
        }
    }
}

impl fmt::Display for Currency {
    /// The code in capitals, as ISO 4217 writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Currency({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_in_either_case_and_written_in_capitals() {
        assert_eq!(
            Currency::parse("eur")
                .map(|code| code.to_string())
                .as_deref(),
            Ok("EUR")
        );
        assert_eq!(Currency::parse("EUR"), Currency::parse("eur"));
    }

    #[test]
    fn what_is_no_code_or_is_counted_in_another_unit_is_refused() {
        for code in ["", "EU", "EURO", "E1R", "€", "isk", "UGX", "MGA"] {
            assert_eq!(Currency::parse(code), Err(InvalidCurrency), "{code}");
        }
    }
}
