//! What analytics counts, plotted and recounted.

use analytics::totals::Period;
use anyhow::{Result, ensure};
use dashpot_cli::commands::stats::{Report, Series, Span, recount, series};
use dashpot_cli::shop::until;
use serde_json::json;
use shop_events::Money;

use crate::world::{PATIENCE, World};

/// 2001-09-09T01:46:40Z: an hour in which no other test does anything.
const THEN: u64 = 1_000_000_000_000;

/// Orders placed, and their revenue.
fn sums(series: &Series) -> (u64, u64) {
    let rows = series.periods.iter();
    let revenue = |it: &Money| {
        if it.currency.as_str() == "EUR" {
            it.amount
        } else {
            0
        }
    };
    let row = rows.map(|row| (row.orders, row.revenue.iter().map(revenue).sum::<u64>()));
    row.fold((0, 0), |sums, row| (sums.0 + row.0, sums.1 + row.1))
}

pub(crate) async fn what_happens_is_counted_and_equals_a_recount(world: &World) -> Result<()> {
    orders_are_counted_as_they_are_placed(world).await?;
    the_recount_is_equal_and_tells_what_is_missing(world).await
}

async fn orders_are_counted_as_they_are_placed(world: &World) -> Result<()> {
    let target = world.shop.target();
    let begun = dashpot::now();
    let counted = async || {
        let span = Span::new(Period::Hour, begun, dashpot::now() + 1)?;
        Ok::<_, anyhow::Error>(sums(&series(target, span).await?))
    };
    world.stock("stats-mug", 10).await?;
    let before = counted().await?;
    for (user, pieces) in [("stats-ada", 1), ("stats-grace", 2)] {
        let order = world.ordered(user, &[("stats-mug", pieces)]).await?;
        world.reaches(&order, "confirmed").await?;
    }
    // Other tests place orders as well.
    until("the orders are counted", PATIENCE, async || {
        let (orders, revenue) = counted().await?;
        Ok((orders >= before.0 + 2 && revenue >= before.1 + 3750).then_some(()))
    })
    .await
}

async fn the_recount_is_equal_and_tells_what_is_missing(world: &World) -> Result<()> {
    let target = world.shop.target();
    let event = |n: u64| {
        let event = json!({
            "type": "order.created",
            "payload": { "orderId": format!("stats-{n}"), "userId": "stats", "total": 99.99, "items": [] },
            "metadata": { "id": format!("stats-{n}"), "timestamp": THEN + n, "correlationId": "stats", "version": 1 },
        });
        event.to_string()
    };
    let span = Span::new(Period::Hour, THEN, THEN + 1)?;
    let equal = |count| Report {
        events: count,
        archived: count,
        differences: Vec::new(),
    };
    let becomes = async |report: Report| {
        let what = format!("{report:?}");
        let seen = async || Ok((recount(target, span).await? == report).then_some(()));
        until(&what, PATIENCE, seen).await
    };
    let three: Vec<String> = (0..3).map(event).collect();
    for body in &three {
        world.publish("order.created", body).await?;
    }
    becomes(equal(3)).await?;
    // As a replay tells them.
    world.shop.send("analytics", &three).await?;
    until("the past is handled", PATIENCE, async || {
        Ok((world.shop.depth("analytics").await?.0 == 0).then_some(()))
    })
    .await?;
    becomes(equal(3)).await?;
    let counted = sums(&series(target, span).await?);
    ensure!(counted == (3, 3 * 9999), "{counted:?}");

    world.shop.send("journal", &[event(3)]).await?;
    until("the journal holds one more", PATIENCE, async || {
        let report = recount(target, span).await?;
        let mut periods = report.differences.iter().map(|it| it.period.as_str());
        let missed = periods.next() == Some("2001-09-09T01") && periods.next().is_none();
        Ok((missed && (report.events, report.archived) == (4, 3)).then_some(()))
    })
    .await?;
    world.shop.send("analytics", &[event(3)]).await?;
    becomes(equal(4)).await
}
