//! `dashpot orders list`: what listing's indexes answer.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use dashpot::{DynamoStore, day, now};
use futures_util::future::try_join_all;
use listing::generation::Generation;
use listing::list;
use listing::rebuild::pointer;
use order_history::{State, Summary};
use shop_events::UserId;

use super::show::{at, colour};
use super::{Common, Target};
use crate::output::{self, BOLD};

const DAY: u64 = 24 * 60 * 60 * 1000;

/// How many days are looked at where none is named.
const DAYS: u64 = 7;

#[derive(Debug, Args)]
pub(in crate::commands) struct Arguments {
    /// Those of this customer
    #[arg(long, value_name = "USER")]
    customer: Option<UserId>,
    /// Those in this state: placed, reserved, confirmed, packed, rejected, cancelled
    #[arg(long)]
    state: Option<State>,
    /// Those placed on this day (UTC), for instance 2026-11-24 [default: any of a customer, else the last 7 days]
    #[arg(long, value_name = "DAY", value_parser = a_day)]
    day: Option<String>,
    /// At most so many, the newest
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

pub(super) async fn run(common: &Common, target: &Target, asked: &Arguments) -> Result<ExitCode> {
    let table = target.resources().id("ListingTable")?;
    let store = DynamoStore::new(target.config(), table);
    let generation = pointer(&store)
        .await
        .context("cannot read the listing")?
        .serving;
    let mut orders = match &asked.customer {
        Some(customer) => list::of_customer(&store, generation, customer).await?,
        None => of_days(asked, &store, generation).await?,
    };
    orders.retain(|order| {
        let on_day = |wanted: &String| day(order.placed_at) == *wanted;
        asked.state.is_none_or(|state| order.state == state)
            && asked.day.as_ref().is_none_or(on_day)
    });
    orders.sort_by(|one, other| {
        let key = |order: &Summary| (order.placed_at, order.order_id.clone());
        key(other).cmp(&key(one))
    });
    let found = orders.len();
    orders.truncate(asked.limit);
    if common.json {
        output::json(&orders)?;
    } else {
        show(&orders, found)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_days(
    asked: &Arguments,
    store: &DynamoStore,
    generation: Generation,
) -> Result<Vec<Summary>> {
    let day = asked.day.clone().map(|day| vec![day]);
    let days = day.unwrap_or_else(|| last_days(now()));
    let states = asked.state.map_or(State::ALL.to_vec(), |state| vec![state]);
    let each = days
        .iter()
        .flat_map(|day| states.iter().map(move |state| (day, *state)));
    let each = each.map(|(day, state)| list::of_state(store, generation, state, day));
    Ok(try_join_all(each).await?.concat())
}

fn show(orders: &[Summary], found: usize) -> Result<()> {
    let rows: Vec<Vec<String>> = orders
        .iter()
        .map(|order| {
            vec![
                at(order.placed_at),
                order.order_id.to_string(),
                order.user_id.to_string(),
                order.total.to_string(),
                order.state.as_str().to_owned(),
                output::visible(&order.last.event_type),
                at(order.last.at),
            ]
        })
        .collect();
    let headings = [
        "PLACED",
        "ORDER",
        "CUSTOMER",
        "TOTAL",
        "STATE",
        "LAST EVENT",
        "AT",
    ];
    output::table(&headings, &rows)?;
    let states = State::ALL.into_iter().filter_map(|state| {
        let count = orders.iter().filter(|order| order.state == state).count();
        let colour = colour(state);
        (count > 0).then(|| format!("{colour}{count} {}{colour:#}", state.as_str()))
    });
    let states: Vec<String> = states.collect();
    let more = match found - orders.len() {
        0 => String::new(),
        more => format!("; {more} more: --limit"),
    };
    output::line(&format!(
        "\n{BOLD}{}{BOLD:#} {}{}{}{more}",
        orders.len(),
        if orders.len() == 1 { "order" } else { "orders" },
        if states.is_empty() { "" } else { ": " },
        states.join(", ")
    ))
}

fn last_days(now: u64) -> Vec<String> {
    (0..DAYS)
        .map(|ago| day(now.saturating_sub(ago * DAY)))
        .collect()
}

/// A day is compared as text, so it must be written as the indexes have it.
fn a_day(text: &str) -> Result<String, String> {
    let moment = crate::moment::parse(&format!("{text}T00:00:00Z"), 0).ok();
    moment
        .map(day)
        .filter(|day| day == text)
        .ok_or_else(|| "write a day as 2026-11-24".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_the_index_has_it() {
        assert_eq!(a_day("2024-02-29"), Ok("2024-02-29".to_owned()));
        for text in ["2024-2-29", "2023-02-29", "today", "20240229", ""] {
            assert!(a_day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_days_end_today() {
        let days = last_days(1_732_464_000_000);
        assert_eq!(
            (days.len(), days[0].as_str(), days[6].as_str()),
            (7, "2024-11-24", "2024-11-18")
        );
    }
}
