//! How many jobs a second the work queue does on the local stack, and whether what is urgent waits.
//!
//! `cargo run --example work_queue [JOBS]` sends so many invoices to be written (1,000 by default), twice: the first
//! time the functions start cold. Once half of the second thousand is written, one urgent job is sent, and timed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dashpot::DynamoStore;
use dashpot_cli::progress::Progress;
use dashpot_cli::shop::{Shop, until};
use dashpot_cli::stack::{Options, Stack};
use invoices::progress;
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(10);

#[tokio::main]
async fn main() -> Result<()> {
    let jobs = std::env::args().nth(1);
    let jobs: u64 = jobs.map_or(Ok(1000), |text| text.parse())?;
    let stack = Stack::start(Options::default()).await?;
    let shop = Shop::of(stack.target())?;
    let table = stack.target().resources().id("InvoicesTable")?;
    let store = DynamoStore::new(stack.target().config(), table);
    let reaches = async |wanted: u64| {
        let what = format!("{wanted} invoices are written");
        let written = async || Ok((progress::written(&store).await? >= wanted).then_some(()));
        until(&what, PATIENCE, written).await
    };
    for (run, state) in [(0, "cold"), (1, "warm")] {
        let bodies: Vec<String> = (run * jobs..(run + 1) * jobs).map(job).collect();
        let step = Progress::Shown.step(format!("Writing {jobs} invoices, {state}"));
        let begun = Instant::now();
        shop.send("invoices", &bodies).await?;
        if run == 1 {
            reaches(jobs + jobs / 2).await?;
            let (sent, urgent) = (Instant::now(), job(2 * jobs));
            shop.send("invoices-urgent", &[urgent]).await?;
            let order = (2 * jobs).to_string().parse()?;
            let found = async || Ok(progress::of(&store, &order).await?);
            until("the urgent one is written", PATIENCE, found).await?;
            let waiting = shop.depth("invoices").await?.0;
            println!(
                "urgent: {} ms, while {waiting} others waited",
                sent.elapsed().as_millis()
            );
        }
        reaches((run + 1) * jobs).await?;
        step.done();
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{state}: {jobs} jobs in {seconds:.1} s, {:.0} a second",
            rate(jobs, seconds)?
        );
    }
    stack.stop();
    Ok(())
}

fn rate(jobs: u64, seconds: f64) -> Result<f64> {
    let jobs = u32::try_from(jobs).context("too many jobs")?;
    Ok(f64::from(jobs) / seconds)
}

fn job(order: u64) -> String {
    let now = dashpot::now();
    let items: Vec<_> = (0..10)
        .map(|n| json!({"sku": format!("sku-{n}"), "quantity": 2, "unitPrice": {"amount": 595, "currency": "EUR"}}))
        .collect();
    json!({
        "type": "invoice.write",
        "payload": {
            "orderId": order.to_string(), "userId": "u", "items": items,
            "total": {"amount": 11_900, "currency": "EUR"}, "capturedAt": now,
        },
        "metadata": {"id": format!("job-{order}"), "timestamp": now, "version": 1},
    })
    .to_string()
}
