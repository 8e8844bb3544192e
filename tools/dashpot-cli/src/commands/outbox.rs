//! `dashpot outbox republish`: sends to the topic what a broken relay did not.
//!
//! Outbox rows stay for 35 days, filed by the hour; what reached the topic is in the journal. So what lies in an outbox and not in
//! the journal was not published, or is on its way. To publish it twice does no harm: consumers know an event by its id.

use std::borrow::Cow;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use dashpot::{DynamoStore, Item, Key, Query, SHARDS, Store, Value, hour, now};
use futures_util::future::try_join_all;
use relay::chunk::chunks;
use relay::fate::Fate;
use relay::outbox::{Event, Timing};
use relay::topic::{SnsTopic, Topic};
use serde::Deserialize;
use serde_json::json;

use super::Common;
use crate::feed;
use crate::moment;
use crate::output::{self, BOLD, GREEN};
use crate::progress::Progress;
use crate::target::Target;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Publish what lies in an outbox and is not in the journal
    Republish(Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What was said since then: 2026-11-24T13:00:00Z, or `3h ago`; outbox rows are kept for 35 days
    #[arg(long, value_name = "MOMENT")]
    since: String,
    /// Of this service alone
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Do it; without this it is only said what would be done
    #[arg(long)]
    yes: bool,
}

/// What was found, and what became of it.
#[derive(Debug, Default)]
pub struct Republished {
    /// Events in the outboxes.
    pub said: u64,
    /// Of these, those that are in the journal.
    pub known: u64,
    /// Commands: they are for a queue, and the journal knows nothing of them.
    pub commands: u64,
    /// Published now.
    pub published: u64,
}

pub(super) async fn run(common: &Common, command: Command) -> Result<()> {
    let Command::Republish(asked) = command;
    let since = moment::parse(&asked.since, now()).context("--since")?;
    let target = common.target().await?;
    let step = Progress::Shown.step("compare outboxes and journal");
    let done = republish(&target, since, asked.service.as_deref(), asked.yes).await?;
    step.done();
    let missing = done.said - done.known;
    if common.json {
        return output::json(&json!({
            "dryRun": !asked.yes, "said": done.said, "known": done.known, "missing": missing,
            "commands": done.commands, "published": done.published,
        }));
    }
    output::line(&format!(
        "{BOLD}{}{BOLD:#} events were said, {} are in the journal, {BOLD}{missing}{BOLD:#} are not",
        done.said, done.known
    ))?;
    if done.commands > 0 {
        output::line(&format!(
            "{} commands are left alone: the journal does not know which of them were sent",
            done.commands
        ))?;
    }
    if asked.yes {
        output::line(&format!("{GREEN}published{GREEN:#} {}", done.published))
    } else {
        output::line("nothing was published: --yes does it")
    }
}

/// Publishes what lies in the outboxes since a moment, and not in the journal; unless `for_real`, it is only counted.
///
/// # Errors
///
/// A table or the topic does not answer, or the topic does not take an event.
pub async fn republish(
    target: &Target,
    since: u64,
    service: Option<&str>,
    for_real: bool,
) -> Result<Republished> {
    let tables = target.resources().tables();
    if let Some(service) = service {
        ensure!(tables.contains_key(service), "{service} has no table");
    }
    let journal = DynamoStore::new(target.config(), target.resources().id("JournalTable")?);
    let topic = SnsTopic::new(target.config(), target.topic_arn());
    let mut done = Republished::default();
    for (name, table) in &tables {
        if service.is_some_and(|service| service != name) {
            continue;
        }
        let outbox = DynamoStore::new(target.config(), table.as_str());
        for hour in feed::hours(since, now() + 1) {
            let rows = of_hour(&outbox, hour).await?;
            let (commands, events): (Vec<Item>, Vec<Item>) =
                rows.into_iter().partition(|row| row.contains_key("to"));
            done.commands += commands.len() as u64;
            let (mut said, mut keys) = (Vec::new(), Vec::new());
            for row in events {
                let (at, key) = filed(&row)?;
                if at >= since {
                    said.push(row);
                    keys.push(key);
                }
            }
            done.said += said.len() as u64;
            let known = journal.get(&keys).await?;
            let missing: Vec<Item> = said
                .into_iter()
                .zip(known)
                .filter_map(|(row, known)| known.is_none().then_some(row))
                .collect();
            done.known += (keys.len() - missing.len()) as u64;
            if for_real {
                done.published += publish(&topic, &missing).await?;
            }
        }
    }
    Ok(done)
}

/// The outbox rows of an hour.
async fn of_hour(outbox: &DynamoStore, start: u64) -> Result<Vec<Item>> {
    let of_shard = |shard| Query::partition(format!("outbox#{}#{shard}", hour(start))).all(outbox);
    Ok(try_join_all((0..SHARDS).map(of_shard)).await?.concat())
}

fn text<'a>(row: &'a Item, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// When an event was said, and where the journal has it.
fn filed(row: &Item) -> Result<(u64, Key)> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Deserialize)]
    struct Metadata<'a> {
        id: Cow<'a, str>,
        subject: Cow<'a, str>,
        timestamp: u64,
    }
    let words = || format!("outbox row {} holds no envelope of ours", text(row, "sk"));
    let Envelope { metadata } = serde_json::from_str(text(row, "body")).with_context(words)?;
    let Metadata {
        id,
        subject,
        timestamp,
    } = metadata;
    let sort = format!("{timestamp:013}#{id}");
    Ok((timestamp, Key::of(format!("order#{subject}"), sort)))
}

/// An outbox row as the relay reads it.
fn event(row: &Item) -> Event<'_> {
    let optional = |name| {
        Some(text(row, name))
            .filter(|it| !it.is_empty())
            .map(Cow::Borrowed)
    };
    let version = row.get("version").and_then(Value::as_i64);
    Event {
        body: text(row, "body").into(),
        event_type: text(row, "type").into(),
        version: version.map(|version| version.to_string().into()),
        correlation_id: optional("correlationId"),
        traceparent: optional("traceparent"),
        group: optional("group"),
        to: None,
        timing: Timing::Now,
    }
}

/// As the relay publishes it.
async fn publish(topic: &SnsTopic, rows: &[Item]) -> Result<u64> {
    let events: Vec<Event<'_>> = rows.iter().map(event).collect();
    let mut published = 0;
    for chunk in chunks(&events, Event::bytes) {
        let chunk: Vec<&Event<'_>> = chunk.iter().collect();
        for fate in topic.publish(&chunk).await {
            match fate {
                Fate::Published => published += 1,
                Fate::Unpublishable(why) | Fate::Failed(why) => {
                    anyhow::bail!("{published} were published, then the topic refused one: {why}")
                }
            }
        }
    }
    Ok(published)
}
