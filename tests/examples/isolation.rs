//! One bad message hurts nobody else, on release binaries: `cargo run --example isolation [MESSAGES]`.
//!
//! First a batch of ten for each way to end a process and each place in the batch: the neighbours are done within three
//! deliveries, and the culprit lies in the dead-letter queue as a killer. Then 1,000 messages, or as many as are asked
//! for, of which one in twenty ends the process, handled by five execution environments: what became of them, and how
//! fast; and as many good ones beside them, for comparison.
//!
//! It builds the library's example `poison` with the profile that ships, and runs it on the local stack.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dashpot_cli::progress::Progress;
use dashpot_cli::project;
use dashpot_cli::stack::{Options, Stack};
use futures_util::{StreamExt, TryStreamExt, stream};
use system_tests::isolation::{DEEDS, Outcome, run};

/// As many as Lambda starts with for a queue.
const ENVIRONMENTS: usize = 5;
const PATIENCE: Duration = Duration::from_mins(20);

#[tokio::main]
async fn main() -> Result<()> {
    let messages: usize = std::env::args()
        .nth(1)
        .map_or(Ok(1000), |text| text.parse())?;
    let binary = build()?;
    let stack = Stack::start(Options::default()).await?;
    let (config, endpoint) = (stack.target().config(), stack.environment());
    let run = async |name: String, orders: Vec<&'static str>, environments| {
        run(
            config,
            &endpoint,
            &binary,
            &name,
            &orders,
            environments,
            PATIENCE,
        )
        .await
        .context(name)
    };

    println!("A batch of ten with one culprit: neighbours by receives, over all ten places");
    for deed in DEEDS {
        let step = Progress::Shown.step(deed);
        let batches = (0..10).map(|place| {
            let mut orders = vec!["nothing"; 10];
            orders[place] = deed;
            run(format!("{deed}-{place}"), orders, 1)
        });
        // A few at a time: what they share here, the emulator, is one process.
        let batches = stream::iter(batches).buffer_unordered(4);
        let outcomes: Vec<Outcome> = batches.try_collect().await?;
        step.done();
        let mut receives = BTreeMap::new();
        for (count, messages) in outcomes.iter().flat_map(|outcome| &outcome.receives) {
            *receives.entry(*count).or_insert(0) += messages;
        }
        println!("  {deed:<9} {}", histogram(&receives));
        ensure!(
            receives.keys().all(|count| *count <= 3),
            "a neighbour was received more than three times"
        );
    }

    let good = vec!["nothing"; messages];
    tell(
        "all good",
        messages,
        &run("good".into(), good, ENVIRONMENTS).await?,
    );
    let poisoned = (0..messages).map(|n| {
        if n % 20 == 7 {
            DEEDS[n / 20 % 4]
        } else {
            "nothing"
        }
    });
    tell(
        "one in twenty ends the process",
        messages,
        &run("poisoned".into(), poisoned.collect(), ENVIRONMENTS).await?,
    );
    Ok(())
}

fn tell(what: &str, messages: usize, outcome: &Outcome) {
    let rate = |messages: usize, took: Duration| {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand messages")]
        let messages = messages as f64;
        messages / took.as_secs_f64()
    };
    let good: usize = outcome.receives.values().sum();
    println!("{messages} messages, {what}:");
    println!(
        "  {good} good ones counted once each, {:.0} a second, the last after {:.1} s",
        rate(good, outcome.good_after),
        outcome.good_after.as_secs_f64()
    );
    println!("    by receives: {}", histogram(&outcome.receives));
    println!(
        "  {} killers in the dead-letter queue, by receives: {}",
        messages - good,
        histogram(&outcome.culprits)
    );
    println!(
        "  settled after {:.1} s; {} invocations without an answer, {} processes",
        outcome.took.as_secs_f64(),
        outcome.deaths,
        outcome.processes
    );
}

fn histogram(receives: &BTreeMap<u32, usize>) -> String {
    let counts: Vec<String> = receives
        .iter()
        .map(|(count, messages)| format!("{count}: {messages}"))
        .collect();
    counts.join(", ")
}

/// The example, as it would ship.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--example", "poison"])
        .current_dir(project::root())
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the example does not build");
    let dev = std::env::current_exe()?;
    let target = dev.ancestors().nth(3).context("no target folder")?;
    Ok(target.join("release/examples/poison"))
}
