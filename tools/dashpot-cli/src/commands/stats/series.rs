//! What happened, period by period.

use std::collections::BTreeMap;

use analytics::totals::{self, Period, Totals};
use dashpot::{Store, StoreError};
use serde::Serialize;
use shop_events::{Currency, Money};

/// The events that say that an order could not be served: each order has one of them at most.
const FAILURES: [&str; 2] = ["events.stock.rejected", "events.payment.failed"];

/// Periods without a gap: where nothing happened, there is zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Series {
    /// What the rows are of.
    pub by: Period,
    /// One for each period.
    pub periods: Vec<Row>,
}

/// What happened in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `2026-11-24T13` or `2026-11-24`, in UTC.
    pub period: String,
    /// Orders placed.
    pub orders: u64,
    /// Their totals, one for each currency.
    pub revenue: Vec<Money>,
    /// Orders that could not be served: no stock, or no money.
    pub failures: u64,
}

impl Series {
    /// The periods of these names, as analytics has counted them.
    ///
    /// # Errors
    /// [`StoreError`] when the table does not answer.
    pub async fn read<S: Store>(
        store: &S,
        by: Period,
        names: &[String],
    ) -> Result<Self, StoreError> {
        Ok(Self::of(by, names, &totals::read(store, by, names).await?))
    }

    fn of(by: Period, names: &[String], totals: &BTreeMap<String, Totals>) -> Self {
        let nothing = Totals::new();
        let row = |name: &String| Row::of(name, totals.get(name).unwrap_or(&nothing));
        Self {
            by,
            periods: names.iter().map(row).collect(),
        }
    }

    /// What there is to plot: orders, revenue in each currency, failures.
    pub(super) fn curves(&self) -> Vec<Curve> {
        let curve = |name, currency, value: &dyn Fn(&Row) -> u64| Curve {
            name,
            currency,
            values: self.periods.iter().map(value).collect(),
        };
        let all = self.periods.iter().flat_map(|row| &row.revenue);
        let currencies: BTreeMap<&str, Currency> = all
            .map(|money| (money.currency.as_str(), money.currency))
            .collect();
        let revenue = currencies.into_values().map(|currency| {
            let of_it = move |row: &Row| {
                let mut revenue = row.revenue.iter();
                let found = revenue.find(|it| it.currency == currency);
                found.map_or(0, |money| money.amount)
            };
            curve("revenue", Some(currency), &of_it)
        });
        let mut curves = vec![curve("orders", None, &|row| row.orders)];
        curves.extend(revenue);
        curves.push(curve("failures", None, &|row| row.failures));
        curves
    }
}

impl Row {
    fn of(name: &str, totals: &Totals) -> Self {
        // Nothing that is counted is below zero.
        let number = |amount: i64| u64::try_from(amount).unwrap_or_default();
        let count = |metric: &str| totals.get(metric).copied().map_or(0, number);
        let revenue = totals.iter().filter_map(|(metric, amount)| {
            let currency = metric.strip_prefix("revenue.")?.parse().ok()?;
            let amount = number(*amount);
            Some(Money { amount, currency })
        });
        Self {
            period: name.to_owned(),
            orders: count("orders"),
            revenue: revenue.collect(),
            failures: FAILURES.into_iter().map(count).sum(),
        }
    }

    /// The period as people write it.
    pub(super) fn label(&self) -> String {
        match self.period.split_once('T') {
            Some((day, hour)) => format!("{day} {hour}:00"),
            None => self.period.clone(),
        }
    }
}

/// One of the things that are plotted: a value for each period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) currency: Option<Currency>,
    pub(super) values: Vec<u64>,
}

impl Curve {
    /// A value in words: money with its currency.
    pub(super) fn words(&self, amount: u64) -> String {
        match self.currency {
            Some(currency) => Money { amount, currency }.to_string(),
            None => amount.to_string(),
        }
    }

    pub(super) fn sum(&self) -> u64 {
        self.values
            .iter()
            .fold(0, |sum, value| sum.saturating_add(*value))
    }

    pub(super) fn most(&self) -> u64 {
        self.values.iter().copied().max().unwrap_or_default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Hours with what was counted in them; in those between, nothing was.
    pub(in crate::commands::stats) fn hours(
        count: u64,
        counted: &[(usize, &[(&str, i64)])],
    ) -> Series {
        let names = Period::Hour.between(0, count * 3_600_000 - 1);
        let totals = counted.iter().map(|(hour, totals)| {
            let totals = totals.iter().map(|(name, n)| ((*name).to_owned(), *n));
            (names[*hour].clone(), totals.collect())
        });
        Series::of(Period::Hour, &names, &totals.collect())
    }

    #[test]
    fn where_nothing_happened_there_is_zero() {
        let series = hours(3, &[(1, &[("orders", 2), ("revenue.EUR", 500)])]);
        let orders: Vec<u64> = series.periods.iter().map(|row| row.orders).collect();
        assert_eq!(orders, [0, 2, 0]);
        assert_eq!(series.curves()[1].values, [0, 500, 0]);
        let names: Vec<&str> = series.curves().iter().map(|it| it.name).collect();
        assert_eq!(names, ["orders", "revenue", "failures"]);
    }

    #[test]
    fn each_currency_is_a_curve_of_its_own() {
        let series = hours(
            2,
            &[
                (0, &[("revenue.USD", 1), ("revenue.JPY", 70)]),
                (1, &[("revenue.USD", 2), ("captured.EUR", 9)]),
            ],
        );
        let curves = series.curves();
        let sums: Vec<String> = curves.iter().map(|it| it.words(it.sum())).collect();
        assert_eq!(sums, ["0", "70 JPY", "0.03 USD", "0"]);
    }

    #[test]
    fn an_order_without_stock_or_money_is_a_failure() {
        let counted = [
            ("events.stock.rejected", 2),
            ("events.payment.failed", 3),
            ("events.order.cancelled", 4),
        ];
        assert_eq!(hours(1, &[(0, &counted)]).periods[0].failures, 5);
    }

    #[test]
    fn a_row_is_told_with_money_as_everywhere() {
        let series = hours(1, &[(0, &[("orders", 1), ("revenue.EUR", 500)])]);
        assert_eq!(
            serde_json::json!(series),
            serde_json::json!({ "by": "hour", "periods": [{
                "period": "1970-01-01T00", "orders": 1, "failures": 0,
                "revenue": [{ "amount": 500, "currency": "EUR" }],
            }] })
        );
        assert_eq!(series.periods[0].label(), "1970-01-01 00:00");
    }
}
