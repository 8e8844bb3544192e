//! `dashpot dlq replay`: sends dead letters again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;

use super::Scope;
use super::parked::Parked;
use super::reading::{self, BATCH, DeadLetterQueue};
use super::resend::{Fate, Pace, Terms, resend};
use super::send::Route;
use crate::commands::{Common, invoke};
use crate::output::{self, GREEN, RED, YELLOW};
use crate::target::Target;

/// Long enough to send ten, however slow the other end is.
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
    /// Send at most so many messages a second [default: as fast as it goes]
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    #[command(flatten)]
    scope: Scope,
}

/// What became, or would become, of one message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    message_id: &'a str,
    service: &'a str,
    #[serde(flatten)]
    fate: Fate,
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
    let terms = Terms {
        body: body.as_deref(),
        max_redrives: arguments.max_redrives,
        dry_run: !arguments.yes,
        pace: Pace::new(arguments.rate),
    };
    let queues = arguments.scope.queues(target)?;
    let report = RefCell::new(Report::new(common.json, terms.dry_run)?);
    let tell = |outcome: &Outcome<'_>| report.borrow_mut().tell(outcome);
    if arguments.all {
        for queue in &queues {
            all(target, queue, arguments.scope.limit, &terms, tell).await?;
        }
    } else {
        some(target, &queues, arguments, &terms, tell).await?;
    }
    report.into_inner().finish()
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
        rate: None,
        scope: Scope::of(service),
    };
    let terms = Terms {
        body,
        max_redrives: arguments.max_redrives,
        dry_run: false,
        pace: Pace::new(None),
    };
    let queues = arguments.scope.queues(target)?;
    some(
        target,
        &queues,
        &arguments,
        &terms,
        |outcome| match &outcome.fate {
            Fate::Replayed { .. } => Ok(()),
            Fate::Refused { why } | Fate::Failed { why } => bail!("{why}"),
            Fate::WouldReplay { .. } => bail!("it was not sent"),
        },
    )
    .await
}

/// Replays everything in a queue, without ever holding more of it than what is on its way, and what has to stay.
async fn all(
    target: &Target,
    queue: &DeadLetterQueue,
    limit: usize,
    terms: &Terms<'_>,
    tell: impl Fn(&Outcome<'_>) -> Result<()>,
) -> Result<()> {
    let route = Route::of(target, queue);
    // By id, the receipts of those that stay. They reappear when their time is up, and were dealt with by then.
    let stay: RefCell<HashMap<String, String>> = RefCell::default();
    let read = reading::in_tens(limit, async |room| {
        let mut letters = queue.receive(room, HOLD).await?;
        letters.retain(|parked| !stay.borrow().contains_key(&parked.id));
        let fates = match &route {
            Ok(route) => resend(route, &letters, terms).await,
            Err(cause) => nowhere(&letters, cause),
        };
        for (parked, fate) in letters.iter().zip(fates) {
            if !matches!(fate, Fate::Replayed { .. }) {
                let receipt = (parked.id.clone(), parked.receipt.clone());
                stay.borrow_mut().extend([receipt]);
            }
            tell(&outcome(parked, fate))?;
        }
        Ok(letters.len())
    })
    .await;
    let receipts = stay.into_inner();
    queue
        .give_back_receipts(receipts.values().map(String::as_str))
        .await;
    read
}

/// Replays the letters that are named. All are looked at first: a name that nobody has stops it all.
async fn some(
    target: &Target,
    queues: &[DeadLetterQueue],
    arguments: &Arguments,
    terms: &Terms<'_>,
    tell: impl Fn(&Outcome<'_>) -> Result<()>,
) -> Result<()> {
    let all = reading::take_all(queues, arguments.scope.limit, HOLD).await?;
    if let Some(missing) = arguments.messages.iter().find(|id| {
        !all.iter()
            .any(|(_, taken)| taken.iter().any(|parked| parked.is(id)))
    }) {
        reading::give_back_all(&all).await;
        bail!(
            "there is no dead letter `{missing}`: `cargo dashpot dlq list` shows which there are"
        );
    }
    for (queue, taken) in all {
        let (chosen, mut stay): (Vec<_>, Vec<_>) = taken
            .into_iter()
            .partition(|parked| arguments.messages.iter().any(|id| parked.is(id)));
        let route = Route::of(target, &queue);
        let mut fates = Vec::new();
        for ten in chosen.chunks(BATCH) {
            fates.extend(match &route {
                Ok(route) => resend(route, ten, terms).await,
                Err(cause) => nowhere(ten, cause),
            });
        }
        let mut told = Ok(());
        for (parked, fate) in chosen.into_iter().zip(fates) {
            let stays = !matches!(fate, Fate::Replayed { .. });
            told = told.and(tell(&outcome(&parked, fate)));
            if stays {
                stay.push(parked);
            }
        }
        queue.give_back(&stay).await;
        told?;
    }
    Ok(())
}

fn nowhere(letters: &[Parked], cause: &anyhow::Error) -> Vec<Fate> {
    let failed = |_| Fate::Failed {
        why: format!("{cause:#}"),
    };
    letters.iter().map(failed).collect()
}

fn outcome(parked: &Parked, fate: Fate) -> Outcome<'_> {
    Outcome {
        message_id: &parked.id,
        service: &parked.service,
        fate,
    }
}

/// Tells outcomes as they come: there may be more of them than one wants to keep.
struct Report {
    json: bool,
    dry_run: bool,
    told: usize,
    good: usize,
}

impl Report {
    fn new(json: bool, dry_run: bool) -> Result<Self> {
        if json {
            output::line(&format!("{{ \"dryRun\": {dry_run}, \"messages\": ["))?;
        }
        Ok(Self {
            json,
            dry_run,
            told: 0,
            good: 0,
        })
    }

    fn tell(&mut self, outcome: &Outcome<'_>) -> Result<()> {
        let comma = if self.told == 0 { "  " } else { ", " };
        self.told += 1;
        let good = matches!(
            outcome.fate,
            Fate::WouldReplay { .. } | Fate::Replayed { .. }
        );
        self.good += usize::from(good);
        if self.json {
            return output::line(&format!("{comma}{}", serde_json::to_string(outcome)?));
        }
        let (id, service) = (outcome.message_id, outcome.service);
        output::line(&match &outcome.fate {
            Fate::WouldReplay { to } => {
                format!("{YELLOW}would replay{YELLOW:#} {id} ({service}) to {to}")
            }
            Fate::Replayed { to, sent_as } => {
                format!("{GREEN}replayed{GREEN:#} {id} ({service}) to {to} as {sent_as}")
            }
            Fate::Refused { why } => format!("{RED}refused{RED:#} {id} ({service}): {why}"),
            Fate::Failed { why } => format!("{RED}failed{RED:#} {id} ({service}): {why}"),
        })
    }

    fn finish(self) -> Result<ExitCode> {
        match self.told {
            _ if self.json => output::line("] }")?,
            0 => output::line(&format!("{GREEN}No dead letters.{GREEN:#}"))?,
            _ if self.dry_run && self.good > 0 => {
                output::line("\nNothing was sent: --yes does it.")?;
            }
            1 => {}
            told => output::line(&format!("\n{} of {told} were replayed.", self.good))?,
        }
        Ok(if self.told == self.good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
