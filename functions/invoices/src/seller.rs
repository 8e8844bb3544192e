//! Who sells, as printed on every invoice.

use dashpot::ConfigError;
use shop_events::Money;

/// Who sells, and which tax is in every price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seller {
    /// Name, address and tax number, separated by commas.
    name: String,
    /// In percent of the price without it.
    pub(crate) tax_percent: u32,
}

impl Seller {
    /// The seller in `SELLER`, with the tax in `TAX_PERCENT`.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable is not set, or the tax is no whole number up to 100.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::parse(
            &dashpot::variable("SELLER")?,
            &dashpot::variable("TAX_PERCENT")?,
        )
    }

    /// A seller by name, address and tax number, separated by commas.
    ///
    /// # Errors
    /// [`ConfigError`] when the tax is no whole number up to 100.
    pub fn parse(name: &str, tax_percent: &str) -> Result<Self, ConfigError> {
        let percent = tax_percent.parse().ok().filter(|it| *it <= 100);
        Ok(Self {
            name: name.to_owned(),
            tax_percent: percent
                .ok_or_else(|| ConfigError::new("TAX_PERCENT", "a whole number from 0 to 100"))?,
        })
    }

    /// The lines of the letterhead.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.name.split(',').map(str::trim)
    }

    /// What of an amount is net, and what tax, rounded half up to the minor unit.
    pub(crate) fn split(&self, total: Money) -> (Money, Money) {
        let (percent, all) = (u64::from(self.tax_percent), total.amount);
        let tax = (2 * all * percent + 100 + percent) / (2 * (100 + percent));
        let of = |amount| Money { amount, ..total };
        (of(all - tax), of(tax))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;
    use shop_events::Currency;

    use super::*;

    #[test]
    fn a_tax_is_a_whole_number_up_to_a_hundred() {
        for wrong in ["", "-1", "101", "19.5", "x"] {
            let refused = Seller::parse("Shop", wrong).unwrap_err().to_string();
            assert!(refused.contains("TAX_PERCENT"), "{refused}");
        }
        assert!(Seller::parse("Shop", "0").is_ok());
    }

    proptest! {
        #[test]
        fn net_and_tax_add_up_and_the_tax_is_right_to_half_a_unit(amount in 0..=Money::MAX, percent in 0..=100_u32) {
            let seller = Seller { name: String::new(), tax_percent: percent };
            let (net, tax) = seller.split(Money { amount, currency: Currency::EUR });
            prop_assert_eq!(net.amount + tax.amount, amount);
            let exact = u128::from(amount) * u128::from(percent);
            let told = u128::from(tax.amount) * u128::from(100 + percent);
            prop_assert!(2 * exact.abs_diff(told) <= u128::from(100 + percent));
        }
    }
}
