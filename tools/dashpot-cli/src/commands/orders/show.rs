//! `dashpot orders show`: an order at any moment, with what caused what.

use std::process::ExitCode;

use anstyle::{AnsiColor, Color, Style};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use order_history::{Cancellation, Order, State, Step, timeline};

use super::{Common, Target, conclude, read};
use crate::output::{self, BOLD, GREEN, RED, YELLOW, visible};
use crate::{http, moment};

const DIM: Style = Style::new().dimmed();
const CYAN: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Cyan)));

#[derive(Debug, Args)]
pub(in crate::commands) struct Arguments {
    /// The order's id
    id: String,
    /// As it was then: 2026-11-24T13:00:00Z, or `10m ago`
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<String>,
}

pub(super) async fn run(common: &Common, target: &Target, asked: &Arguments) -> Result<ExitCode> {
    let mut url = reqwest::Url::parse(target.api_url()).context("the stack's API URL is none")?;
    url.path_segments_mut()
        .map_err(|()| anyhow!("the stack's API URL has no path"))?
        .extend(["orders", &asked.id]);
    let as_of = asked.as_of.as_deref();
    let as_of = as_of
        .map(|text| moment::parse(text, dashpot::now()))
        .transpose()?;
    if let Some(moment) = as_of {
        url.query_pairs_mut()
            .append_pair("asOf", &moment.to_string());
    }
    let answer = http::client(url.as_str())?.get(url.clone()).send().await;
    let (status, body) = read(answer, url.as_str()).await?;
    if common.json {
        output::json(&body)?;
    } else if status.is_success() {
        let order: Order = serde_json::from_value(body.clone())
            .context("the answer is no order: is the stack of another version than this tool?")?;
        for line in drawn(&order, as_of) {
            output::line(&line)?;
        }
    }
    Ok(conclude(status, &body))
}

/// The order as people look at it.
fn drawn(order: &Order, as_of: Option<u64>) -> Vec<String> {
    let it = &order.summary;
    let colour = colour(it.state);
    let then = as_of.map_or_else(String::new, |moment| format!(" at {}", at(moment)));
    let mut lines = vec![format!(
        "order {BOLD}{}{BOLD:#} of {}: {colour}{}{colour:#}{then}",
        it.order_id,
        it.user_id,
        it.state.as_str()
    )];
    lines.push(format!("  placed    {}", at(it.placed_at)));
    for line in &order.items {
        let price = line
            .unit_price
            .map_or_else(String::new, |price| format!(" at {price}"));
        lines.push(format!(
            "  {:<9} {} × {}{price}",
            "item", line.quantity, line.sku
        ));
    }
    lines.push(format!("  {:<9} {BOLD}{}{BOLD:#}", "total", it.total));
    let money = [
        ("captured", it.money.captured),
        ("voided", it.money.voided),
        ("refunded", it.money.refunded),
    ];
    let moved = money
        .into_iter()
        .filter_map(|(name, amount)| Some((name, amount?)));
    lines.extend(moved.map(|(name, amount)| format!("  {name:<9} {amount}")));
    let cancellation = match it.cancellation {
        Cancellation::None => None,
        Cancellation::Requested => Some("requested; warehouse has not answered yet"),
        Cancellation::Refused => Some("refused: it was packed before"),
        Cancellation::Granted => Some("granted"),
    };
    lines.extend(cancellation.map(|words| format!("  {:<9} {words}", "cancelled")));
    lines.push(String::new());
    lines.extend(tree(order));
    lines
}

/// What happened, when, by whom, caused by what.
fn tree(order: &Order) -> Vec<String> {
    let steps = timeline(&order.history);
    let begun = order.history.first().map_or(0, |entry| entry.at);
    // Of each event above, whether more follows from its cause: there the line goes on.
    let mut goes_on: Vec<bool> = Vec::new();
    let branches: Vec<String> = steps
        .iter()
        .map(|step| {
            goes_on.truncate(step.depth);
            let rails = goes_on.iter().skip(1);
            let rails: String = rails.map(|on| if *on { "│  " } else { "   " }).collect();
            goes_on.push(!step.is_last);
            let branch = match (step.depth, step.is_last) {
                (0, _) => "",
                (_, false) => "├─ ",
                (_, true) => "└─ ",
            };
            format!("{rails}{branch}{}", visible(&step.entry.event_type))
        })
        .collect();
    let width = branches.iter().map(|branch| branch.chars().count()).max();
    let width = width.unwrap_or_default();
    let line = |(step, branch): (&Step<'_>, &String)| {
        let entry = step.entry;
        let padding = " ".repeat(width - branch.chars().count());
        let since = after(entry.at.saturating_sub(begun));
        let source = visible(entry.source.as_deref().unwrap_or("?"));
        let lacks = match &entry.causation_id {
            Some(cause) if step.lacks_cause => {
                format!(
                    "  {YELLOW}caused by {}, which is not here{YELLOW:#}",
                    visible(cause)
                )
            }
            _ => String::new(),
        };
        let id = visible(&entry.id);
        format!(
            "{DIM}{:<24}{DIM:#}  {since:>9}  {branch}{padding}  {CYAN}{source:<10}{CYAN:#}  {DIM}{id}{DIM:#}{lacks}",
            at(entry.at)
        )
    };
    steps.iter().zip(&branches).map(line).collect()
}

pub(super) fn colour(state: State) -> Style {
    match state {
        State::Placed | State::Reserved => YELLOW,
        State::Confirmed | State::Packed => GREEN,
        State::Rejected | State::Cancelled => RED,
    }
}

pub(super) fn at(moment: u64) -> String {
    output::moment(i64::try_from(moment).unwrap_or(i64::MAX))
}

/// A span in the unit that suits it, from milliseconds: `+183 ms`, `+2.4 s`, `+3.1 h`.
fn after(milliseconds: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let span = milliseconds as f64;
    let (unit, factor) = match milliseconds {
        0 => return String::new(),
        1..1_000 => return format!("+{milliseconds} ms"),
        1_000..60_000 => ("s", 1e3),
        60_000..3_600_000 => ("min", 6e4),
        3_600_000..86_400_000 => ("h", 36e5),
        _ => ("d", 864e5),
    };
    format!("+{:.1} {unit}", span / factor)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use order_history::{Event, fold};

    use super::*;

    fn event(at: u64, id: &str, name: &str, cause: Option<&str>) -> Event {
        let cause = cause.map_or_else(String::new, |id| format!(r#""causationId":"{id}","#));
        let body = format!(
            r#"{{"type":"{name}","metadata":{{"id":"{id}","timestamp":{at},"correlationId":"c",{cause}"version":2,"source":"s"}},
                "payload":{{"orderId":"o-1","userId":"u-1","total":{{"amount":500,"currency":"EUR"}},
                            "amount":{{"amount":500,"currency":"EUR"}},"items":[{{"sku":"chair","quantity":2}}]}}}}"#
        );
        Event::in_body(&body).unwrap()
    }

    fn plain(lines: Vec<String>) -> Vec<String> {
        let strip = |line: String| anstream::adapter::strip_str(&line).to_string();
        lines.into_iter().map(strip).collect()
    }

    #[test]
    fn an_order_is_drawn_with_its_lines_its_money_and_what_caused_what() {
        let events = [
            event(1_732_464_000_000, "e1", "order.placed", None),
            event(1_732_464_000_150, "e2", "stock.reserved", Some("e1")),
            event(1_732_464_000_300, "e3", "payment.captured", Some("e2")),
            event(1_732_464_002_400, "e4", "pick_list.created", Some("e2")),
            event(1_732_464_300_000, "e6", "pick_list.packed", Some("e5")),
        ];
        let order = fold("o-1".parse().unwrap(), events, None).unwrap();
        assert_eq!(
            plain(drawn(&order, None)),
            [
                "order o-1 of u-1: packed",
                "  placed    2024-11-24T16:00:00Z",
                "  item      2 × chair",
                "  total     5.00 EUR",
                "  captured  5.00 EUR",
                "",
                "2024-11-24T16:00:00Z                 order.placed             s           e1",
                "2024-11-24T16:00:00.15Z     +150 ms  └─ stock.reserved        s           e2",
                "2024-11-24T16:00:00.3Z      +300 ms     ├─ payment.captured   s           e3",
                "2024-11-24T16:00:02.4Z       +2.4 s     └─ pick_list.created  s           e4",
                "2024-11-24T16:05:00Z       +5.0 min  pick_list.packed         s           e6  caused by e5, which is not here",
            ]
        );
    }

    #[test]
    fn what_others_wrote_cannot_command_the_terminal() {
        let mut hostile = event(0, "e1", "order.placed", None);
        hostile.entry.source = Some("\u{1b}[2J".into());
        let order = fold("o-1".parse().unwrap(), [hostile], None).unwrap();
        assert!(
            drawn(&order, None)
                .iter()
                .all(|line| !line.contains("\u{1b}[2J"))
        );
    }

    #[test]
    fn a_span_is_told_in_the_unit_that_suits_it() {
        let spans = [0, 999, 59_999, 90_000, 5_400_000, 172_800_000].map(after);
        assert_eq!(
            spans,
            ["", "+999 ms", "+60.0 s", "+1.5 min", "+1.5 h", "+2.0 d"]
        );
    }
}
