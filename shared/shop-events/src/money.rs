//! Money: integer minor units with an ISO 4217 code, never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount in the minor units of a currency: 49.99 EUR is `{"amount":4999,"currency":"EUR"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(!try_from))]
pub struct Money {
    /// Minor units; at most [`Money::MAX`], above which nothing is read.
    #[cfg_attr(feature = "schema", schemars(description = "Minor units.", range(max = Self::MAX)))]
    pub amount: u64,
    /// The currency.
    pub currency: Currency,
}

/// [`Money`] as it is written, before its amount is looked at.
#[derive(Deserialize)]
struct Unchecked {
    amount: u64,
    currency: Currency,
}

impl TryFrom<Unchecked> for Money {
    type Error = InvalidMoney;

    fn try_from(Unchecked { amount, currency }: Unchecked) -> Result<Self, InvalidMoney> {
        if amount > Self::MAX {
            return Err(InvalidMoney::TooMuch);
        }
        Ok(Self { amount, currency })
    }
}

/// An ISO 4217 code: three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(!try_from, !into))]
pub struct Currency(
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", regex(pattern = "^[A-Z]{3}$"))
    )]
    [u8; 3],
);

/// A text that is no amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoney {
    /// Not three capital letters.
    #[error("a currency is an ISO 4217 code of three capital letters, like EUR")]
    Currency,
    /// Not a decimal number, negative, or with more decimals than the currency has.
    #[error("an amount is a decimal number like 49.99, with at most {decimals} decimals")]
    Amount {
        /// How many decimals the currency has.
        decimals: u32,
    },
    /// More than [`Money::MAX`].
    #[error("the amount is above {} minor units", Money::MAX)]
    TooMuch,
}

impl Money {
    /// The largest amount, in minor units: what the payment provider takes in one charge (eight digits).
    pub const MAX: u64 = 99_999_999;

    /// Reads a decimal number exactly, without going through a float: `("49.99", EUR)`.
    ///
    /// # Errors
    /// [`InvalidMoney`] when the text is no such number, has too many decimals, or is too much.
    pub fn from_decimal(text: &str, currency: Currency) -> Result<Self, InvalidMoney> {
        let decimals = currency.decimals();
        let wrong = InvalidMoney::Amount { decimals };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let significant = fraction.trim_end_matches('0');
        if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
            return Err(wrong);
        }
        let missing = decimals
            .checked_sub(u32::try_from(significant.len()).map_err(|_| wrong.clone())?)
            .ok_or(wrong)?;
        let whole = whole.trim_start_matches('0');
        if whole.len() + significant.len() > 16 {
            return Err(InvalidMoney::TooMuch);
        }
        let amount = format!("0{whole}{significant}")
            .parse::<u64>()
            .ok()
            .and_then(|units| units.checked_mul(10_u64.pow(missing)))
            .filter(|amount| *amount <= Self::MAX)
            .ok_or(InvalidMoney::TooMuch)?;
        Ok(Self { amount, currency })
    }

    /// The sum, unless it is above [`Money::MAX`] or the currencies differ.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let amount = self.amount.checked_add(other.amount)?;
        (self.currency == other.currency && amount <= Self::MAX).then_some(Self { amount, ..self })
    }

    /// So many times the amount, unless that is above [`Money::MAX`].
    #[must_use]
    pub fn checked_mul(self, times: u32) -> Option<Self> {
        let amount = self.amount.checked_mul(u64::from(times))?;
        (amount <= Self::MAX).then_some(Self { amount, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals();
        let unit = 10_u64.pow(decimals);
        let (whole, fraction) = (self.amount / unit, self.amount % unit);
        match decimals {
            0 => write!(f, "{whole} {}", self.currency),
            _ => write!(
                f,
                "{whole}.{fraction:0width$} {}",
                self.currency,
                width = decimals as usize
            ),
        }
    }
}

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only capital ASCII letters get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many decimals its minor unit stands for; the exceptions from 2 are those of ISO 4217.
    #[must_use]
    pub fn decimals(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(InvalidMoney::Currency),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = InvalidMoney;

    fn try_from(text: String) -> Result<Self, InvalidMoney> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.to_string()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn eur(amount: u64) -> Money {
        Money {
            amount,
            currency: Currency::EUR,
        }
    }

    #[test]
    fn decimals_are_read_exactly() {
        for (text, amount) in [
            ("49.99", 4999),
            ("0.1", 10),
            ("7", 700),
            ("0", 0),
            ("1.500", 150),
            ("007", 700),
        ] {
            assert_eq!(
                Money::from_decimal(text, Currency::EUR).unwrap(),
                eur(amount),
                "{text}"
            );
        }
        let yen: Currency = "JPY".parse().unwrap();
        assert_eq!(Money::from_decimal("500", yen).unwrap().amount, 500);
        assert_eq!(
            Money::from_decimal("500", yen).unwrap().to_string(),
            "500 JPY"
        );
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1.999",
            "1,5",
            " 1",
            "1000000",
            "99999999999999999999999",
        ] {
            assert!(
                Money::from_decimal(text, Currency::EUR).is_err(),
                "{text:?}"
            );
        }
        assert!(serde_json::from_str::<Money>(r#"{"amount":1,"currency":"eur"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":1.5,"currency":"EUR"}"#).is_err());
    }

    #[test]
    fn an_amount_above_the_maximum_is_not_read() {
        let read = |amount: u64| {
            serde_json::from_str::<Money>(&format!(r#"{{"amount":{amount},"currency":"EUR"}}"#))
        };
        assert_eq!(read(Money::MAX).unwrap(), eur(Money::MAX));
        for amount in [Money::MAX + 1, u64::MAX] {
            assert!(read(amount).is_err(), "{amount}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_maximum_and_between_currencies() {
        let usd: Currency = "USD".parse().unwrap();
        assert_eq!(eur(Money::MAX).checked_add(eur(1)), None);
        assert_eq!(
            eur(1).checked_add(Money {
                amount: 1,
                currency: usd
            }),
            None
        );
        assert_eq!(eur(2).checked_mul(u32::MAX), None);
        assert_eq!(eur(3).checked_mul(2), Some(eur(6)));
    }

    proptest! {
        #[test]
        fn display_and_reading_are_inverse(amount in 0..=Money::MAX) {
            let text = eur(amount).to_string();
            prop_assert_eq!(Money::from_decimal(text.trim_end_matches(" EUR"), Currency::EUR).unwrap(), eur(amount));
        }
    }
}
