//! How long an order takes on the local stack: from `POST` to its answer, and to the pick list.
//!
//! `cargo run --example latency [ORDERS]` places orders one after the other (200 by default), each as soon as the one
//! before is answered, and prints the percentiles in milliseconds. The pick list's time is its event's own
//! timestamp, by the same clock.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dashpot_cli::commands::products;
use dashpot_cli::progress::Progress;
use dashpot_cli::shop::{Shop, until};
use dashpot_cli::stack::{Options, Stack};
use serde_json::Value;
use shop_events::{Currency, Money};

#[tokio::main]
async fn main() -> Result<()> {
    let orders: u32 = std::env::args()
        .nth(1)
        .map_or(Ok(200), |text| text.parse())?;
    let stack = Stack::start(Options::default()).await?;
    let shop = Shop::of(stack.target())?;
    let price = Money {
        amount: 1250,
        currency: Currency::EUR,
    };
    products::put(stack.target(), "mug", price, orders).await?;

    let step = Progress::Shown.step(format!("Placing {orders} orders"));
    let (mut answered, mut sent) = (Vec::new(), BTreeMap::new());
    for n in 0..orders {
        let order = Shop::order(&format!("user-{n}"), &[("mug", 1)], "pm_card_visa");
        let before = dashpot::now();
        let answer = shop.place("latency", &order).await?;
        ensure!(answer.status == 202, "{} {}", answer.status, answer.body);
        answered.push(u64::try_from(answer.took.as_millis())?);
        sent.insert(answer.order_id()?, before);
    }
    step.done();

    let listed = until(
        "every pick list is there",
        Duration::from_mins(5),
        async || {
            let rows = shop.rows("warehouse", "outbox#").await?;
            Ok((rows.len() == sent.len()).then_some(rows))
        },
    )
    .await?;
    let listed = listed
        .iter()
        .map(|row| {
            let event: Value = serde_json::from_str(row["body"].as_str().unwrap_or_default())?;
            let at = event["metadata"]["timestamp"]
                .as_u64()
                .context("no timestamp")?;
            let order = event["metadata"]["subject"].as_str().unwrap_or_default();
            Ok(at.saturating_sub(*sent.get(order).context("a stranger's order")?))
        })
        .collect::<Result<Vec<u64>>>()?;
    report("POST to 202", answered);
    report("POST to pick list", listed);
    stack.stop();
    Ok(())
}

fn report(what: &str, mut millis: Vec<u64>) {
    millis.sort_unstable();
    let at = |percent: usize| millis[(millis.len() * percent / 100).min(millis.len() - 1)];
    println!(
        "{what}: p50 {} ms, p99 {} ms over {} orders",
        at(50),
        at(99),
        millis.len()
    );
}
