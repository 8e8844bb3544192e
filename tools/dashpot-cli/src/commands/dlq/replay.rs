//! `dashpot dlq replay`: sends a dead letter again, makes sure that it was taken, and only then deletes it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_sdk_sqs::types::MessageAttributeValue;
use clap::Args;
use serde::Serialize;

use super::parked::{NOTE, Parked, REDRIVES};
use super::reading::{self, DeadLetterQueue};
use super::{Scope, send};
use crate::commands::{Common, invoke};
use crate::output::{self, GREEN, RED, YELLOW};
use crate::target::Target;

/// Long enough to send the most that is taken.
const HOLD: Duration = Duration::from_mins(5);

#[derive(Debug, Args)]
pub(in crate::commands) struct Arguments {
    /// The messages' ids, as `dlq list` shows them
    #[arg(required_unless_present = "all")]
    messages: Vec<String>,
    /// All dead letters (of --service)
    #[arg(long, conflicts_with = "messages")]
    all: bool,
    /// Do it; without this, only say what would be done
    #[arg(long)]
    yes: bool,
    /// Send the content of this file instead of the body that died (- for standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    body: Option<PathBuf>,
    /// Refuse messages that were replayed so often already
    #[arg(long, default_value_t = 3, value_name = "TIMES")]
    max_redrives: u32,
    #[command(flatten)]
    scope: Scope,
}

/// What became, or would become, of one message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    message_id: String,
    service: String,
    #[serde(flatten)]
    fate: Fate,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
enum Fate {
    /// A dry run: it would be sent there.
    WouldReplay { to: String },
    /// It was sent, and is gone from the dead-letter queue.
    Replayed { to: String, sent_as: String },
    /// It has been replayed too often.
    Refused { why: String },
    /// It was not sent, or not deleted; it still lies there.
    Failed { why: String },
}

pub(super) async fn run(
    common: &Common,
    target: &Target,
    arguments: &Arguments,
) -> Result<ExitCode> {
    if arguments.body.is_some() && arguments.messages.len() != 1 {
        bail!("--body replaces the body of one message: name one");
    }
    let body = match &arguments.body {
        Some(file) => {
            Some(String::from_utf8(invoke::read(file)?).context("the new body is not UTF-8")?)
        }
        None => None,
    };
    let outcomes = outcomes(target, arguments, body.as_deref()).await?;
    report(common, arguments, &outcomes)?;
    let good = |outcome: &Outcome| {
        matches!(
            outcome.fate,
            Fate::WouldReplay { .. } | Fate::Replayed { .. }
        )
    };
    Ok(if outcomes.iter().all(good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Sends one dead letter of a service again, perhaps with another body.
pub(super) async fn one(
    target: &Target,
    service: &str,
    message: &str,
    body: Option<&str>,
) -> Result<()> {
    let arguments = Arguments {
        messages: vec![message.to_owned()],
        all: false,
        yes: true,
        body: None,
        max_redrives: 3,
        scope: Scope::of(service),
    };
    for Outcome { fate, .. } in outcomes(target, &arguments, body).await? {
        match fate {
            Fate::Replayed { .. } => {}
            Fate::Refused { why } | Fate::Failed { why } => bail!("{why}"),
            Fate::WouldReplay { .. } => bail!("it was not sent"),
        }
    }
    Ok(())
}

async fn outcomes(
    target: &Target,
    arguments: &Arguments,
    body: Option<&str>,
) -> Result<Vec<Outcome>> {
    let queues = arguments.scope.queues(target)?;
    let all = reading::take_all(&queues, arguments.scope.limit, HOLD).await?;
    if let Some(missing) = arguments.messages.iter().find(|id| {
        !all.iter()
            .any(|(_, taken)| taken.iter().any(|parked| parked.is(id)))
    }) {
        reading::give_back_all(&all).await;
        bail!(
            "there is no dead letter `{missing}`: `cargo dashpot dlq list` shows which there are"
        );
    }

    let mut outcomes = Vec::new();
    for (queue, taken) in &all {
        let (chosen, others): (Vec<_>, Vec<_>) = taken
            .iter()
            .partition(|parked| arguments.all || arguments.messages.iter().any(|id| parked.is(id)));
        queue.give_back(others).await;
        for parked in chosen {
            let fate = replay(target, queue, parked, body, arguments).await;
            if !matches!(fate, Fate::Replayed { .. }) {
                queue.give_back([parked]).await;
            }
            outcomes.push(Outcome {
                message_id: parked.id.clone(),
                service: parked.service.clone(),
                fate,
            });
        }
    }
    Ok(outcomes)
}

async fn replay(
    target: &Target,
    queue: &DeadLetterQueue,
    parked: &Parked,
    body: Option<&str>,
    arguments: &Arguments,
) -> Fate {
    let redrives = parked.redrives();
    if redrives >= arguments.max_redrives {
        return Fate::Refused {
            why: format!(
                "it was replayed {redrives} times and died again each time: find the cause first \
                 (`cargo dashpot dlq show {}`), then allow more with --max-redrives {}",
                parked.id,
                redrives + 1
            ),
        };
    }
    let destination = match send::Destination::of(target, parked) {
        Ok(destination) => destination,
        Err(cause) => {
            return Fate::Failed {
                why: format!("{cause:#}"),
            };
        }
    };
    let to = destination.to_string();
    if !arguments.yes {
        return Fate::WouldReplay { to };
    }
    let body = body.unwrap_or(&parked.body);
    let sent_as = match destination
        .send(target, parked, body, attributes(parked))
        .await
    {
        Ok(sent_as) => sent_as,
        Err(cause) => {
            return Fate::Failed {
                why: format!("not sent: {cause:#}"),
            };
        }
    };
    match queue.delete(parked).await {
        Ok(()) => Fate::Replayed { to, sent_as },
        Err(cause) => Fate::Failed {
            why: format!(
                "sent as {sent_as}, but it still lies in the dead-letter queue ({cause:#}); \
                 a second replay is harmless, as consumers take an event once"
            ),
        },
    }
}

/// The sender's attributes, without the note, and with one replay more on the count.
fn attributes(parked: &Parked) -> HashMap<String, MessageAttributeValue> {
    let mut attributes = parked.attributes.clone();
    attributes.remove(NOTE);
    let count = MessageAttributeValue::builder()
        .data_type("Number")
        .string_value((parked.redrives() + 1).to_string())
        .build();
    // It fails only without a data type.
    attributes.extend(count.ok().map(|count| (REDRIVES.to_owned(), count)));
    attributes
}

fn report(common: &Common, arguments: &Arguments, outcomes: &[Outcome]) -> Result<()> {
    if common.json {
        return output::json(
            &serde_json::json!({ "dryRun": !arguments.yes, "messages": outcomes }),
        );
    }
    for Outcome {
        message_id,
        service,
        fate,
    } in outcomes
    {
        output::line(&match fate {
            Fate::WouldReplay { to } => {
                format!("{YELLOW}would replay{YELLOW:#} {message_id} ({service}) to {to}")
            }
            Fate::Replayed { to, sent_as } => {
                format!("{GREEN}replayed{GREEN:#} {message_id} ({service}) to {to} as {sent_as}")
            }
            Fate::Refused { why } => format!("{RED}refused{RED:#} {message_id} ({service}): {why}"),
            Fate::Failed { why } => format!("{RED}failed{RED:#} {message_id} ({service}): {why}"),
        })?;
    }
    let would = outcomes
        .iter()
        .any(|outcome| matches!(outcome.fate, Fate::WouldReplay { .. }));
    match outcomes {
        [] => output::line(&format!("{GREEN}No dead letters.{GREEN:#}")),
        _ if would => output::line("\nNothing was sent: --yes does it."),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parked::tests::parked;
    use super::*;

    #[test]
    fn a_replay_keeps_the_senders_attributes_drops_the_note_and_counts() {
        let again = attributes(&parked(
            "a",
            Some(r#"{"reason":"permanent","redrives":1}"#),
            Some(1),
        ));

        assert!(!again.contains_key(NOTE));
        assert_eq!(again["type"].string_value(), Some("order.placed"));
        assert_eq!(again[REDRIVES].string_value(), Some("2"));
        assert_eq!(again[REDRIVES].data_type(), "Number");
    }
}
