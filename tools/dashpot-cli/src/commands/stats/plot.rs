//! The plot on a terminal: a row a period, with a bar for each value.

use analytics::totals::Period;

use super::series::{Curve, Series};
use crate::output;

/// The longest bar, in columns.
const WIDTH: usize = 14;

/// Parts of a column, in eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// The lines, headings first.
pub(super) fn lines(series: &Series) -> Vec<String> {
    let curves = series.curves();
    let period = match series.by {
        Period::Hour => "HOUR (UTC)",
        Period::Day => "DAY (UTC)",
    };
    let names: Vec<String> = curves.iter().map(|it| it.name.to_uppercase()).collect();
    let mut headings = vec![period];
    headings.extend(names.iter().map(String::as_str));
    let columns: Vec<Vec<String>> = curves.iter().map(column).collect();
    let row = |n: usize| {
        let cells = columns.iter().map(|column| column[n].clone());
        let label = series.periods[n].label();
        [label].into_iter().chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = (0..series.periods.len()).map(row).collect();
    output::layout(&headings, &rows)
}

/// A curve's cells: the value, set to the right, and its bar.
fn column(curve: &Curve) -> Vec<String> {
    let words: Vec<String> = curve.values.iter().map(|it| curve.words(*it)).collect();
    let width = words.iter().map(String::len).max().unwrap_or_default();
    let most = curve.most();
    let cells = words.iter().zip(&curve.values);
    cells
        .map(|(words, value)| format!("{words:>width$} {}", bar(*value, most)))
        .collect()
}

/// As long as the value is beside the most; whatever is above zero is seen.
fn bar(value: u64, most: u64) -> String {
    let eighths = u128::from(value) * WIDTH as u128 * 8;
    let eighths = eighths.div_ceil(u128::from(most.max(1)));
    let eighths = usize::try_from(eighths).unwrap_or_default();
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::super::series::tests::hours;
    use super::*;

    fn plain(series: &Series) -> Vec<String> {
        let strip = |line: String| anstream::adapter::strip_str(&line).to_string();
        lines(series).into_iter().map(strip).collect()
    }

    #[test]
    fn a_bar_is_as_long_as_its_value_beside_the_most() {
        let length = |value, most| bar(value, most).chars().count();
        assert_eq!(length(10, 10), WIDTH);
        assert_eq!(bar(5, 10), "█".repeat(WIDTH / 2));
        assert_eq!(bar(1, 1_000_000), "▏");
        assert_eq!((length(0, 10), length(0, 0)), (0, 0));
        assert_eq!(length(u64::MAX, u64::MAX), WIDTH);
    }

    #[test]
    fn each_hour_is_a_row_and_each_currency_a_column() {
        let series = hours(
            3,
            &[
                (
                    0,
                    &[("orders", 12), ("revenue.EUR", 10_000), ("revenue.USD", 5)],
                ),
                (
                    2,
                    &[
                        ("orders", 6),
                        ("revenue.EUR", 500),
                        ("events.payment.failed", 1),
                    ],
                ),
            ],
        );
        assert_eq!(
            plain(&series),
            [
                "HOUR (UTC)        ORDERS             REVENUE                    REVENUE                  FAILURES",
                "1970-01-01 00:00  12 ██████████████  100.00 EUR ██████████████  0.05 USD ██████████████  0",
                "1970-01-01 01:00   0                   0.00 EUR                 0.00 USD                 0",
                "1970-01-01 02:00   6 ███████           5.00 EUR ▊               0.00 USD                 1 ██████████████",
            ]
        );
    }

    #[test]
    fn where_there_is_nothing_there_are_zeros_and_no_bar() {
        assert_eq!(
            plain(&hours(1, &[])),
            [
                "HOUR (UTC)        ORDERS  FAILURES",
                "1970-01-01 00:00  0       0",
            ]
        );
    }
}
