//! One bad message hurts nobody else: batches with messages that end the process, on a real process of the library's
//! example `poison`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aws_config::SdkConfig;
use dashpot_testing::{Invoked, LambdaHost, Settings};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::real::{Place, attribute, deliver};

/// What ends a process.
pub const DEEDS: [&str; 4] = ["abort", "exhaust", "overflow", "spin"];

/// The function's timeout: how long a message that loops for ever keeps its process.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a message stays away whose process died; SQS counts in seconds, and Lambda wants no less than the timeout.
const VISIBILITY: Duration = Duration::from_secs(4);
/// Resident, in MiB: what a message that hoards memory may have.
const MEMORY: u32 = 128;

/// What became of a queue.
#[derive(Debug)]
pub struct Outcome {
    /// How long it took until the queue was empty.
    pub took: Duration,
    /// When the last good message had been received for the last time.
    pub good_after: Duration,
    /// How many good messages were received so often.
    pub receives: BTreeMap<u32, usize>,
    /// How many culprits were received so often.
    pub culprits: BTreeMap<u32, usize>,
    /// How many processes were started.
    pub processes: usize,
    /// How many invocations ended without an answer.
    pub deaths: usize,
}

/// Sends these orders, each with what it does, lets so many execution environments work until the queue is empty, and
/// sees that each good one was counted exactly once and each other one lies in the dead-letter queue as a killer.
///
/// # Errors
/// It is not so, or does not come to be so within `patience`.
pub async fn run(
    config: &SdkConfig,
    endpoint: &[(String, String)],
    binary: &Path,
    name: &str,
    orders: &[&str],
    environments: usize,
    patience: Duration,
) -> Result<Outcome> {
    let place = Place::make(config, name, VISIBILITY).await?;
    let bodies: Vec<String> = orders
        .iter()
        .enumerate()
        .map(|(n, does)| order(n, does))
        .collect();
    place.send(&bodies).await?;
    let mut settings = Settings::default().timeout(TIMEOUT).memory(MEMORY);
    settings.env = [endpoint.to_vec(), place.variables()].concat();
    settings.env.extend(
        [("RETRY_BASE_SECONDS", "1"), ("RETRY_CAP_SECONDS", "1")]
            .map(|(name, value)| (name.into(), value.into())),
    );
    let starting = (0..environments).map(|_| LambdaHost::start(binary, settings.clone()));
    let hosts = try_join_all(starting)
        .await
        .with_context(|| binary.display().to_string())?;

    let start = Instant::now();
    let latest = Mutex::new(BTreeMap::<String, (u32, Duration)>::new());
    let deaths = Mutex::new(0);
    let working = hosts.iter().map(async |host| {
        loop {
            if start.elapsed() > patience {
                let told = host.take_stdout()?;
                bail!(
                    "{} messages are left after {patience:?}; the last lines: {:?}",
                    place.depth().await?,
                    told.iter().rev().take(5).collect::<Vec<_>>()
                );
            }
            let Some(delivered) = deliver(&place, host).await? else {
                if place.depth().await? == 0 {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            };
            let mut latest = latest.lock().map_err(|_| anyhow::anyhow!("a panic"))?;
            for (body, attempt) in delivered.receives {
                latest.insert(body, (attempt, start.elapsed()));
            }
            if !matches!(delivered.invoked, Invoked::Answer(_)) {
                *deaths.lock().map_err(|_| anyhow::anyhow!("a panic"))? += 1;
            }
        }
    });
    try_join_all(working).await?;
    let took = start.elapsed();

    let rows = place.rows("order#").await?;
    let times: BTreeMap<&str, &str> = rows
        .iter()
        .map(|row| (attribute(row, "pk"), attribute(row, "times")))
        .collect();
    let letters = place.take_dead_letters().await?;
    let latest = latest.into_inner()?;
    let (mut good, mut culprits) = (BTreeMap::new(), BTreeMap::new());
    let mut good_after = Duration::ZERO;
    for (n, (does, body)) in orders.iter().zip(&bodies).enumerate() {
        let (count, at) = latest
            .get(body)
            .copied()
            .with_context(|| format!("{n} was never received"))?;
        let notes: Vec<&Value> = letters
            .iter()
            .filter(|(letter, _)| letter == body)
            .map(|(_, note)| note)
            .collect();
        let counted = times.get(format!("order#{n}").as_str()).copied();
        if *does == "nothing" {
            ensure!(
                counted == Some("1") && notes.is_empty(),
                "{n}: counted {counted:?} times, {notes:?}"
            );
            *good.entry(count).or_default() += 1;
            good_after = good_after.max(at);
        } else {
            let is_killer = notes.len() == 1 && notes[0]["reason"] == "killer";
            ensure!(
                is_killer && counted.is_none(),
                "{n}, {does}: counted {counted:?} times, {notes:?}"
            );
            *culprits.entry(count).or_default() += 1;
        }
    }
    let mut processes = 0;
    for host in &hosts {
        processes += host.processes().await;
    }
    Ok(Outcome {
        took,
        good_after,
        receives: good,
        culprits,
        processes,
        deaths: deaths.into_inner()?,
    })
}

fn order(n: usize, does: &str) -> String {
    json!({
        "type": "order.placed",
        "payload": { "orderId": n.to_string(), "does": does },
        "metadata": { "id": format!("event-{n}"), "timestamp": 1, "correlationId": "c", "version": 1 },
    })
    .to_string()
}
