//! `dashpot replay`: feeds the past to one consumer's queue.
//!
//! Only a consumer whose queue has the tag `replayable` in the template takes the past: one that draws a picture of it, and can
//! draw it twice. Whoever acts (charges, writes letters, gives out stock) must never be told an old event again as if it were news.
//!
//! Sent is what the journal holds, byte for byte, so that an event that was handled before is found by its id. How far it has come is
//! written down hour by hour: killed and run again, a replay goes on where it was; and to send an hour twice does no harm.

mod cursor;
mod way;

use std::cell::Cell;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_sqs::Client;
use clap::Args;
use dashpot::{DynamoStore, Key, Store, now};
use relay::queues::SqsQueues;
use serde_json::json;

use self::cursor::Cursor;
use self::way::walk;
pub use self::way::{CONSUMER, Way};
use super::Common;
use crate::aws::Explained;
use crate::feed::{Chosen, Recorded};
use crate::moment;
use crate::output::{self, BOLD, GREEN, per_second};
use crate::progress::Progress;
use crate::target::Target;

/// The tag of a queue that takes the past.
const REPLAYABLE: &str = "replayable";

/// Dollars for a million requests in us-east-1, without the free tier: <https://aws.amazon.com/sqs/pricing/> (a send, a receive and a
/// delete for each ten messages) and <https://aws.amazon.com/lambda/pricing/>; and for a million read units of DynamoDB, of which
/// an event takes half a one for each 4 KiB: <https://aws.amazon.com/dynamodb/pricing/on-demand/>.
const SQS_MILLION: f64 = 0.40;
const LAMBDA_MILLION: f64 = 0.20;
const READS_MILLION: f64 = 0.125;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The consumer, for instance analytics
    #[arg(long, value_name = "SERVICE")]
    to: String,
    /// Since when: 2026-11-24T13:00:00Z, or `7d ago`
    #[arg(long, required_unless_present = "order", value_name = "MOMENT")]
    from: Option<String>,
    /// Until when
    #[arg(long, default_value = "now", value_name = "MOMENT")]
    until: String,
    /// Events of this type alone (may be given several times)
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Events of this order alone
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// At most so many messages a second
    #[arg(long, default_value_t = 500, value_name = "NUMBER")]
    rate: u32,
    /// Do it; without this it is only said what would be done
    #[arg(long)]
    yes: bool,
    /// Begin at the beginning, also where an earlier run was interrupted
    #[arg(long)]
    afresh: bool,
}

pub(super) async fn run(common: &Common, asked: &Arguments) -> Result<()> {
    let now = now();
    let from = asked.from.as_deref().map(|from| moment::parse(from, now));
    let chosen = Chosen {
        from: from.transpose().context("--from")?.unwrap_or_default(),
        until: moment::parse(&asked.until, now).context("--until")?,
        types: asked.types.clone(),
        order: asked.order.clone(),
    };
    ensure!(chosen.from < chosen.until, "--from lies not before --until");
    ensure!(asked.rate > 0, "--rate is above 0");
    let target = common.target().await?;
    let queue = queue(&target, &asked.to).await?;
    let journal = DynamoStore::new(target.config(), target.resources().id("JournalTable")?);
    if asked.yes {
        send(common, &target, asked, &chosen, &journal, &queue).await
    } else {
        foresee(common, &target, asked, &chosen, &journal).await
    }
}

/// The queue of a consumer that takes the past.
async fn queue(target: &Target, service: &str) -> Result<String> {
    let services = target.resources().queues();
    let known = || {
        let known: Vec<&str> = services.iter().map(|it| it.service.as_str()).collect();
        known.join(", ")
    };
    let queue = services
        .iter()
        .find(|it| it.service == service)
        .and_then(|it| it.queue.clone())
        .with_context(|| format!("there is no consumer {service}; there are: {}", known()))?;
    let tags = Client::new(target.config())
        .list_queue_tags()
        .queue_url(&queue)
        .send()
        .await
        .explained()?;
    let replayable = tags.tags.unwrap_or_default();
    if replayable.get(REPLAYABLE).map(String::as_str) != Some("true") {
        bail!(
            "{service} does not take the past: it acts on what it is told, and an old event would be acted on as news. \
             A consumer that only draws a picture of events says so by the tag `{REPLAYABLE}: \"true\"` of its queue in template.yaml"
        );
    }
    Ok(queue)
}

/// Says what would be done.
async fn foresee(
    common: &Common,
    target: &Target,
    asked: &Arguments,
    chosen: &Chosen,
    journal: &DynamoStore,
) -> Result<()> {
    let step = Progress::Shown.step("look through the journal");
    let seen = Seen::of(target, &asked.to);
    let (events, bytes, done) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0_u64));
    let count = async |page: Vec<Recorded>| -> Result<()> {
        events.set(events.get() + page.len() as u64);
        bytes.set(bytes.get() + page.iter().map(|it| it.body.len() as u64).sum::<u64>());
        if let Some(seen) = &seen {
            done.set(done.get() + seen.count(&page).await?);
        }
        step.detail(format!("{} events", events.get()));
        Ok(())
    };
    walk(journal, chosen, None, &count, async |_| Ok(())).await?;
    step.done();
    let (events, bytes, done) = (events.get(), bytes.get(), done.get());
    let seconds = events.div_ceil(u64::from(asked.rate));
    let dollars = cost(events, bytes);
    if common.json {
        return output::json(&json!({
            "dryRun": true, "to": asked.to, "events": events, "bytes": bytes,
            "handledBefore": seen.map(|_| done), "seconds": seconds, "dollars": dollars,
        }));
    }
    let before = match &seen {
        Some(_) => format!("{done} of them were handled before, and change nothing"),
        None => {
            "how many of them were handled before is not known; those change nothing".to_owned()
        }
    };
    output::line(&format!(
        "{BOLD}{events}{BOLD:#} events would be sent to {}: {before}",
        asked.to
    ))?;
    output::line(&format!(
        "that takes about {} at {} a second, and costs about ${dollars:.4} (SQS, Lambda's requests, reading the journal; \
         without what the consumer itself does)",
        span(seconds),
        asked.rate
    ))?;
    output::line("nothing was sent: --yes does it")
}

fn cost(events: u64, bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let (events, bytes) = (events as f64, bytes as f64);
    let requests = 3.0 * events / 10.0;
    let reads = 0.5 * (bytes / 4096.0).max(events / 4.0);
    (requests * SQS_MILLION + events / 10.0 * LAMBDA_MILLION + reads * READS_MILLION) / 1e6
}

/// Sends it.
async fn send(
    common: &Common,
    target: &Target,
    asked: &Arguments,
    chosen: &Chosen,
    journal: &DynamoStore,
    queue: &str,
) -> Result<()> {
    let cursor = Cursor::of(queue, asked);
    let earlier = if asked.afresh { None } else { cursor.read()? };
    let (after, before) = (earlier.map(|it| it.0), earlier.map_or(0, |it| it.1));
    let goes_on = if after.is_some() {
        format!(", going on after {before} that were sent before")
    } else {
        String::new()
    };
    let step = Progress::Shown.step(format!("send the past to {}{goes_on}", asked.to));
    let begun = Instant::now();
    let queues = SqsQueues::new(target.config(), [(CONSUMER, queue)]);
    let way = Way::new(queues, Some(asked.rate));
    let told = |sent| {
        let speed = per_second(sent, begun.elapsed());
        step.detail(format!("{sent} sent, {speed} a second"));
    };
    let written = async |hour: u64| cursor.write(hour, before + way.sent());
    way.take(journal, chosen, after, &told, written)
        .await
        .context("interrupted; the same command goes on from here")?;
    cursor.forget()?;
    step.done();
    let sent = way.sent();
    let speed = per_second(sent, begun.elapsed());
    if common.json {
        return output::json(&json!({
            "dryRun": false, "to": asked.to, "sent": sent, "sentBefore": before,
            "seconds": begun.elapsed().as_secs_f64(), "perSecond": speed,
        }));
    }
    output::line(&format!(
        "{GREEN}sent{GREEN:#} {BOLD}{sent}{BOLD:#} events to {}, {speed} a second; `dashpot status` shows how they are handled",
        asked.to
    ))
}

/// Feeds the past since a moment to a consumer, as `replay --yes` does; how many events.
///
/// # Errors
///
/// The consumer does not take the past, or somebody does not answer.
pub async fn past(target: &Target, to: &str, from: u64) -> Result<u64> {
    let queue = queue(target, to).await?;
    let journal = DynamoStore::new(target.config(), target.resources().id("JournalTable")?);
    let chosen = Chosen {
        from,
        until: now(),
        types: Vec::new(),
        order: None,
    };
    let queues = SqsQueues::new(target.config(), [(CONSUMER, queue.as_str())]);
    let way = Way::new(queues, None);
    let written = async |_| Ok(());
    way.take(&journal, &chosen, None, &|_| (), written).await?;
    Ok(way.sent())
}

fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// What a consumer has handled, where it keeps a row `seen#{event id}` of each event.
struct Seen(DynamoStore);

impl Seen {
    fn of(target: &Target, service: &str) -> Option<Self> {
        let tables = target.resources().tables();
        let table = tables.get(service).filter(|_| service == "analytics")?;
        Some(Self(DynamoStore::new(target.config(), table.as_str())))
    }

    async fn count(&self, page: &[Recorded]) -> Result<u64> {
        let keys: Vec<Key> = page
            .iter()
            .map(|it| Key::new(format!("seen#{}", it.id)))
            .collect();
        let rows = self.0.get(&keys).await?;
        Ok(rows.iter().flatten().count() as u64)
    }
}
