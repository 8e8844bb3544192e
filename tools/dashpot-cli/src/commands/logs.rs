//! `dashpot logs`: what the functions wrote, from CloudWatch Logs.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsError;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use clap::Args;
use serde_json::json;

use super::Common;
use super::invoke::function_name;
use crate::aws::Explained;
use crate::output::{self, BOLD};
use crate::target::Target;

const FOLLOW: Duration = Duration::from_secs(1);
/// Log events arrive out of order, within this.
const LATE: i64 = 10_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The function, as its folder is called [default: all]
    function: Option<String>,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// How many minutes to look back
    #[arg(long, default_value_t = 10, value_name = "MINUTES")]
    since: u32,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let target = common.target().await?;
    let groups = log_groups(&target, arguments.function.as_deref())?;
    let client = Client::new(target.config());
    let mut start = now() - i64::from(arguments.since) * 60_000;
    let mut shown = HashSet::new();
    loop {
        let mut events = Vec::new();
        for (service, group) in &groups {
            for event in read(&client, group, start).await? {
                events.push((event.timestamp().unwrap_or_default(), service, event));
            }
        }
        events.sort_by_key(|(at, ..)| *at);
        for (at, service, event) in events {
            if shown.insert(identity(&event)) {
                print(common, at, service, &event)?;
                start = start.max(at - LATE);
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        tokio::time::sleep(FOLLOW).await;
    }
}

/// Log groups by service: the template's, or where a function without one writes.
fn log_groups(target: &Target, service: Option<&str>) -> Result<BTreeMap<String, String>> {
    let functions = match service {
        Some(service) => BTreeMap::from([(service.to_owned(), function_name(target, service)?)]),
        None => target.resources().functions(),
    };
    let named = target.resources().log_groups();
    Ok(functions
        .into_iter()
        .map(|(service, function)| {
            let group = named
                .get(&service)
                .cloned()
                .unwrap_or_else(|| format!("/aws/lambda/{function}"));
            (service, group)
        })
        .collect())
}

async fn read(client: &Client, group: &str, start: i64) -> Result<Vec<FilteredLogEvent>> {
    let mut pages = client
        .filter_log_events()
        .log_group_name(group)
        .start_time(start)
        .into_paginator()
        .send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => events.extend(page.events.unwrap_or_default()),
            // The function has not run yet.
            Err(cause)
                if cause
                    .as_service_error()
                    .is_some_and(FilterLogEventsError::is_resource_not_found_exception) =>
            {
                break;
            }
            Err(cause) => {
                return Err(cause)
                    .explained()
                    .with_context(|| format!("cannot read {group}"));
            }
        }
    }
    Ok(events)
}

/// What tells an event from all others. Not every emulator numbers them.
fn identity(event: &FilteredLogEvent) -> String {
    event.event_id().map_or_else(
        || {
            let stream = event.log_stream_name().unwrap_or_default();
            let at = event.timestamp().unwrap_or_default();
            format!("{stream} {at} {}", event.message().unwrap_or_default())
        },
        str::to_owned,
    )
}

fn print(common: &Common, at: i64, service: &str, event: &FilteredLogEvent) -> Result<()> {
    let message = event.message().unwrap_or_default().trim_end();
    if common.json {
        // One document a line: a log has no end.
        output::line(&json!({ "at": at, "service": service, "message": message }).to_string())
    } else {
        output::line(&format!(
            "{} {BOLD}{service:<10}{BOLD:#} {message}",
            output::moment(at)
        ))
    }
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| {
            i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
        })
}
