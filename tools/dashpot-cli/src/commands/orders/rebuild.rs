//! `dashpot orders rebuild`: the listing anew, out of the journal, while the old one serves.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::Client;
use clap::Args;
use dashpot::{Clock, DynamoStore};
use listing::check;
use listing::rebuild::{PARTS, Rebuild, retire};
use serde_json::json;

use super::{Common, Target};
use crate::aws::Explained;
use crate::output::{self, BOLD, GREEN, RED, per_second};
use crate::progress::Progress;

/// How many rows of the journal are read at a time: after so many, progress is shown, and written down.
const PAGE: u32 = 500;

/// A request that was on its way when its invocation was ended may still arrive.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// How long an order that differs is left alone before it is looked at again.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(in crate::commands) struct Arguments {
    /// Change nothing: compare every row with what the journal adds up to
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(common: &Common, target: &Target, asked: &Arguments) -> Result<ExitCode> {
    let table = |name| target.resources().id(name);
    let store = |name| Ok::<_, anyhow::Error>(DynamoStore::new(target.config(), table(name)?));
    let (journal, listing) = (store("JournalTable")?, store("ListingTable")?);
    if asked.check {
        return check(common, &journal, &listing).await;
    }
    let left = Left::of(target).await?;
    rebuild(common, target, &journal, &listing, &left).await
}

async fn rebuild(
    common: &Common,
    target: &Target,
    journal: &DynamoStore,
    listing: &DynamoStore,
    left: &Left,
) -> Result<ExitCode> {
    let (clock, begun) = (Clock::system(), Instant::now());
    let rebuild = Rebuild::begin(listing.clone(), clock).await?;
    let generation = rebuild.generation();
    let goes_on = if rebuild.is_resumed() {
        ", begun before"
    } else {
        ""
    };
    let step = Progress::Shown.step(format!("read the journal into {generation}{goes_on}"));
    let filled = rebuild.fill(journal, Some(PAGE), |now| {
        let speed = per_second(now.events - now.before, begun.elapsed());
        step.detail(format!(
            "{} events, {speed} a second, {}, {} of {PARTS} parts",
            now.events,
            left.words(now.events),
            now.parts
        ));
    });
    let filled = filled
        .await
        .context("interrupted; run it again, and it goes on from here")?;
    step.done();
    let seconds = begun.elapsed();
    let step = Progress::Shown.step("fold in what was handled meanwhile");
    let grace = time_out(target).await? + ON_ITS_WAY;
    let lately = rebuild.catch_up(grace).await?;
    step.done();
    rebuild.flip().await?;
    let step = Progress::Shown.step("let the old rows go");
    let retired = retire(listing, clock).await?;
    step.done();
    let speed = per_second(filled.events - filled.before, seconds);
    if common.json {
        output::json(&json!({
            "generation": generation.0,
            "resumed": rebuild.is_resumed(),
            "events": filled.events,
            "lately": lately,
            "eventsPerSecond": speed,
            "seconds": begun.elapsed().as_secs_f64(),
            "retired": retired,
        }))?;
    } else {
        output::line(&format!(
            "{GREEN}{generation} serves:{GREEN:#} {BOLD}{}{BOLD:#} events, {speed} a second; {lately} of the last days \
             seen twice; {retired} old rows go within a day",
            filled.events
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(common: &Common, journal: &DynamoStore, listing: &DynamoStore) -> Result<ExitCode> {
    let begun = Instant::now();
    let step = Progress::Shown.step("compare every row with the journal");
    let report = check::check(journal, listing, PATIENCE).await?;
    step.done();
    let speed = per_second(report.events, begun.elapsed());
    if common.json {
        let differences = report.differences.iter();
        let differences =
            differences.map(|it| json!({ "orderId": it.order, "differs": it.words() }));
        output::json(&json!({
            "events": report.events,
            "orders": report.orders,
            "eventsPerSecond": speed,
            "differences": differences.collect::<Vec<_>>(),
        }))?;
    } else if report.differences.is_empty() {
        output::line(&format!(
            "{GREEN}equal:{GREEN:#} {BOLD}{}{BOLD:#} orders are what {} events add up to",
            report.orders, report.events
        ))?;
    } else {
        for difference in &report.differences {
            for words in difference.words() {
                output::line(&format!(
                    "{}: {}",
                    difference.order,
                    output::visible(&words)
                ))?;
            }
        }
        output::line(&format!(
            "\n{RED}{} orders differ{RED:#} from what the journal adds up to: `cargo dashpot orders rebuild`",
            report.differences.len()
        ))?;
    }
    Ok(if report.differences.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// How much there is to read: DynamoDB counts a table's rows every six hours.
struct Left {
    rows: Option<u64>,
}

impl Left {
    async fn of(target: &Target) -> Result<Self> {
        let described = Client::new(target.config())
            .describe_table()
            .table_name(target.resources().id("JournalTable")?)
            .send()
            .await
            .explained()?;
        let rows = described.table.and_then(|table| table.item_count);
        Ok(Self {
            rows: rows.and_then(|rows| u64::try_from(rows).ok()),
        })
    }

    fn words(&self, done: u64) -> String {
        match self.rows.and_then(|rows| rows.checked_sub(done)) {
            Some(left) => format!("about {left} left"),
            None => "more than were counted".to_owned(),
        }
    }
}

/// How long an invocation of listing can last.
async fn time_out(target: &Target) -> Result<Duration> {
    let functions = target.resources().functions();
    let name = functions
        .get("listing")
        .context("the stack has no listing")?;
    let settings = aws_sdk_lambda::Client::new(target.config())
        .get_function_configuration()
        .function_name(name)
        .send()
        .await
        .explained()?;
    let seconds = settings
        .timeout
        .and_then(|seconds| u64::try_from(seconds).ok());
    Ok(Duration::from_secs(
        seconds.context("listing has no time-out")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_a_guess() {
        let left = Left { rows: Some(10) };
        assert_eq!(left.words(4), "about 6 left");
        assert_eq!(left.words(11), "more than were counted");
        assert_eq!(Left { rows: None }.words(1), "more than were counted");
    }
}
