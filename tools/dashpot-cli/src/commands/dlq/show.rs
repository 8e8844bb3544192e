//! `dashpot dlq show`: one dead letter, whole.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;

use super::parked::Parked;
use super::{Scope, reading};
use crate::commands::Common;
use crate::output::{self, BOLD, YELLOW};
use crate::target::Target;

const HOLD: Duration = Duration::from_mins(1);

#[derive(Debug, Args)]
pub(in crate::commands) struct Arguments {
    /// The message's id, as `dlq list` shows it, or its event's id
    message: String,
    #[command(flatten)]
    scope: Scope,
}

pub(super) async fn run(
    common: &Common,
    target: &Target,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let queues = arguments.scope.queues(target)?;
    let all = reading::take_all(&queues, arguments.scope.limit, HOLD).await?;
    reading::give_back_all(&all).await;
    let Some(parked) = all
        .iter()
        .flat_map(|(_, taken)| taken)
        .find(|parked| parked.is(&arguments.message))
    else {
        bail!(
            "there is no dead letter `{}`: `cargo dashpot dlq list` shows which there are",
            arguments.message
        );
    };
    if common.json {
        output::json(&parked.to_json())?;
    } else {
        show(parked)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(parked: &Parked) -> Result<()> {
    let fact = |name: &str, value: &str| {
        let (name, value) = (output::visible(name), output::visible(value));
        output::line(&format!("{BOLD}{name:<16}{BOLD:#}  {value}"))
    };
    fact("message", &parked.id)?;
    fact("service", &parked.service)?;
    output::line(&format!(
        "{BOLD}{:<16}{BOLD:#}  {YELLOW}{}{YELLOW:#}",
        "reason",
        output::visible(parked.reason())
    ))?;
    fact("detail", parked.detail())?;
    fact("fingerprint", parked.fingerprint())?;
    if let Some(since) = parked.since() {
        fact("dead since", &output::moment(since))?;
    }
    fact("replays so far", &parked.redrives().to_string())?;
    for (name, value) in parked.facts() {
        fact(name, &value)?;
    }
    output::line("")?;
    for (name, value) in parked.plain_attributes() {
        fact(name, value)?;
    }
    output::line(&format!("\n{}", readable(&parked.body)))
}

/// JSON is indented. What does not show is written out.
fn readable(body: &str) -> String {
    let pretty = serde_json::from_str::<Value>(body)
        .and_then(|json| serde_json::to_string_pretty(&json))
        .ok();
    let lines = pretty.as_deref().unwrap_or(body).split('\n');
    lines.map(output::visible).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_anything_else_is_shown_without_control_characters() {
        assert_eq!(readable(r#"{"a":1}"#), "{\n  \"a\": 1\n}");
        assert_eq!(readable("{broken\u{1b}[2J\nöl"), "{broken\\u{1b}[2J\nöl");
        assert_eq!(
            readable("{\"a\":\"\u{9b}2J\u{202e}\"}"),
            "{\n  \"a\": \"\\u{9b}2J\\u{202e}\"\n}"
        );
    }
}
