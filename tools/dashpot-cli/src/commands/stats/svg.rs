//! The plot as a picture: a panel for each value, a bar for each period. Readers that do not see it are told the title, the
//! sums, and the value of each bar.

use analytics::totals::Period;

use super::series::{Curve, Series};

/// Where bars are, in pixels: beside the values, above the periods.
const LEFT: u64 = 110;
const WIDTH: u64 = 840;
const HEIGHT: u64 = 120;

/// From one panel's top to the next.
const PANEL: u64 = HEIGHT + 70;

/// Above the first panel.
const TOP: u64 = 60;

/// So many periods have a label, at most.
const LABELS: usize = 8;

const STYLE: &str = "text{font:12px sans-serif;fill:#222}.name{font-weight:bold}.value{text-anchor:end}.period{text-anchor:middle}\
line{stroke:#888}rect.bar{fill:#1f6f8b}";

/// The whole document.
pub(super) fn draw(series: &Series) -> String {
    let curves = series.curves();
    let (width, height) = (LEFT + WIDTH + 50, TOP + PANEL * curves.len() as u64);
    let period = match series.by {
        Period::Hour => "hour",
        Period::Day => "day",
    };
    let span = match (series.periods.first(), series.periods.last()) {
        (Some(first), Some(last)) => format!(", {} to {} (UTC)", first.label(), last.label()),
        _ => String::new(),
    };
    let title = format!("Orders, revenue and failures by {period}{span}");
    let sums = curves
        .iter()
        .map(|it| format!("{} {}", it.words(it.sum()), it.name));
    let sums = sums.collect::<Vec<_>>().join(", ");
    let tops = (0..).map(|n| TOP + PANEL * n);
    let panels = curves.iter().zip(tops);
    let panels: String = panels.map(|(it, top)| panel(series, it, top)).collect();
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title desc">
<title id="title">{title}</title>
<desc id="desc">{sums} in all</desc>
<style>{STYLE}</style>
<rect width="{width}" height="{height}" fill="white"/>
<text class="name" x="{LEFT}" y="24">{title}</text>
{panels}</svg>
"#
    )
}

/// A curve: its name and sum, an axis with the most and with zero, its bars, and the periods below.
fn panel(series: &Series, curve: &Curve, top: u64) -> String {
    let (most, base, right) = (curve.most(), top + HEIGHT, LEFT + WIDTH);
    let values = LEFT - 8;
    let head = format!(
        r#"<g>
<text class="name" x="{LEFT}" y="{}">{}: {} in all</text>
<line x1="{LEFT}" y1="{base}" x2="{right}" y2="{base}"/>
<line x1="{LEFT}" y1="{top}" x2="{LEFT}" y2="{base}"/>
<text class="value" x="{values}" y="{base}">{}</text>
"#,
        top - 8,
        curve.name,
        curve.words(curve.sum()),
        curve.words(0)
    );
    let mut parts = Vec::new();
    if most > 0 {
        let (y, most) = (top + 10, curve.words(most));
        parts.push(format!(
            r#"<text class="value" x="{values}" y="{y}">{most}</text>"#
        ));
    }
    let count = series.periods.len();
    // Where a bar begins: they share the width without a rest.
    let at = |n: usize| LEFT + n as u64 * WIDTH / count as u64;
    for (n, (row, value)) in series.periods.iter().zip(&curve.values).enumerate() {
        let (x, width, label) = (at(n), at(n + 1) - at(n), row.label());
        if n % count.div_ceil(LABELS) == 0 {
            let (x, y) = (x + width / 2, base + 16);
            parts.push(format!(
                r#"<text class="period" x="{x}" y="{y}">{label}</text>"#
            ));
        }
        if *value > 0 {
            let height = u128::from(*value) * u128::from(HEIGHT) / u128::from(most);
            let height = u64::try_from(height).unwrap_or(HEIGHT).max(1);
            let (y, width) = (base - height, width.saturating_sub(1 + width / 8).max(1));
            let words = curve.words(*value);
            parts.push(format!(
                r#"<rect class="bar" x="{x}" y="{y}" width="{width}" height="{height}"><title>{label}: {words}</title></rect>"#
            ));
        }
    }
    format!("{head}{}\n</g>\n", parts.join("\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use xmlparser::{ElementEnd, Token, Tokenizer};

    use super::super::series::tests::hours;
    use super::*;

    /// Reads it as XML, with every element closed by its own end; all text, and how many bars there are.
    fn read(svg: &str) -> (Vec<String>, usize) {
        let (mut open, mut texts, mut bars) = (Vec::new(), Vec::new(), 0);
        for token in Tokenizer::from(svg) {
            match token.unwrap() {
                Token::ElementStart { local, .. } => open.push(local.as_str()),
                Token::ElementEnd { end, .. } => match end {
                    ElementEnd::Open => {}
                    ElementEnd::Empty => drop(open.pop().unwrap()),
                    ElementEnd::Close(_, name) => assert_eq!(open.pop(), Some(name.as_str())),
                },
                Token::Attribute { local, value, .. } if local.as_str() == "class" => {
                    bars += usize::from(value.as_str() == "bar");
                }
                Token::Text { text } if !text.trim().is_empty() => {
                    texts.push(text.as_str().to_owned());
                }
                _ => {}
            }
        }
        assert!(open.is_empty(), "{open:?}");
        (texts, bars)
    }

    #[test]
    fn each_value_above_zero_is_a_bar_that_says_what_it_is() {
        let series = hours(
            3,
            &[
                (0, &[("orders", 12), ("revenue.EUR", 10_000)]),
                (2, &[("orders", 6), ("revenue.JPY", 500)]),
            ],
        );
        let (texts, bars) = read(&draw(&series));
        assert_eq!(bars, 4);
        for text in [
            "Orders, revenue and failures by hour, 1970-01-01 00:00 to 1970-01-01 02:00 (UTC)",
            "18 orders, 100.00 EUR revenue, 500 JPY revenue, 0 failures in all",
            "revenue: 500 JPY in all",
            "1970-01-01 02:00: 6",
            "1970-01-01 00:00: 100.00 EUR",
        ] {
            assert!(texts.iter().any(|it| it == text), "{text}: {texts:?}");
        }
    }

    #[test]
    fn whatever_there_is_stays_within_the_picture() {
        let full = [("orders", i64::MAX), ("revenue.EUR", 1)];
        let one = |n| [(n, &full[..])];
        for series in [
            hours(1, &[]),
            hours(1, &one(0)),
            hours(8784, &one(8783)),
            Series {
                by: Period::Day,
                periods: Vec::new(),
            },
        ] {
            let svg = draw(&series);
            let (texts, _) = read(&svg);
            let labels = texts.iter().filter(|it| it.ends_with(":00")).count();
            assert!(labels <= 3 * LABELS, "{labels}");
            let numbers = |name: &str| -> Vec<u64> {
                let name = format!(" {name}=\"");
                let after = svg.split(&name).skip(1);
                let digits = after.map(|it| it.split('"').next().unwrap().parse().unwrap());
                digits.collect()
            };
            assert!(numbers("x").iter().all(|x| *x <= LEFT + WIDTH));
            let heights = numbers("height");
            assert!(
                heights[1..]
                    .iter()
                    .all(|height| (1..=HEIGHT).contains(height))
            );
        }
    }
}
