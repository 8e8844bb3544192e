//! `dashpot dlq`: why messages died, and their way back.

mod list;
mod parked;
mod reading;
mod replay;
mod resend;
mod send;
mod show;

pub(super) use self::resend::Pace;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use self::parked::Parked;
use self::reading::DeadLetterQueue;
use super::Common;
use crate::target::Target;

/// How long a look hides a message from others, should it be cut short.
const LOOK: Duration = Duration::from_secs(5);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Count the dead letters of each service by cause
    List(list::Arguments),
    /// Show one dead letter: reason, attributes, body
    Show(show::Arguments),
    /// Send dead letters to where they were to go; says only what it would do, unless --yes is given
    Replay(replay::Arguments),
}

/// Which dead-letter queues, and how much of them.
#[derive(Debug, Args)]
struct Scope {
    /// Only this service's dead letters
    #[arg(long)]
    service: Option<String>,
    /// Read at most so many messages of each queue
    #[arg(long, default_value_t = 1000, value_name = "MESSAGES")]
    limit: usize,
}

pub(super) async fn run(common: &Common, command: Command) -> Result<ExitCode> {
    let target = common.target().await?;
    match command {
        Command::List(arguments) => list::run(common, &target, &arguments).await,
        Command::Show(arguments) => show::run(common, &target, &arguments).await,
        Command::Replay(arguments) => replay::run(common, &target, &arguments).await,
    }
}

/// The dead letters of a service, as `dlq show --json` tells of each. They are looked at, not taken.
///
/// # Errors
///
/// There is no such service, or its dead-letter queue cannot be read.
pub async fn look(target: &Target, service: &str) -> Result<Vec<Value>> {
    let scope = Scope::of(service);
    let all = reading::take_all(&scope.queues(target)?, scope.limit, LOOK).await?;
    reading::give_back_all(&all).await;
    let letters = all.iter().flat_map(|(_, taken)| taken);
    Ok(letters.map(Parked::to_json).collect())
}

/// Sends one dead letter again, with another body, as `dlq replay --body --yes` does.
///
/// # Errors
///
/// There is no such message, it was replayed too often, or it could not be sent or deleted.
pub async fn replay_fixed(target: &Target, service: &str, message: &str, body: &str) -> Result<()> {
    replay::one(target, service, message, Some(body)).await
}

impl Scope {
    fn of(service: &str) -> Self {
        Self {
            service: Some(service.to_owned()),
            limit: 1000,
        }
    }

    fn queues(&self, target: &Target) -> Result<Vec<DeadLetterQueue>> {
        let client = aws_sdk_sqs::Client::new(target.config());
        let services = target.resources().queues();
        let chosen: Vec<_> = services
            .iter()
            .filter(|queues| {
                self.service
                    .as_ref()
                    .is_none_or(|service| *service == queues.service)
            })
            .filter_map(|queues| {
                Some(DeadLetterQueue {
                    client: client.clone(),
                    service: queues.service.clone(),
                    url: queues.dead_letters.clone()?,
                })
            })
            .collect();
        if chosen.is_empty() {
            let known: Vec<_> = services.into_iter().map(|queues| queues.service).collect();
            bail!("there is no such service; there are: {}", known.join(", "));
        }
        Ok(chosen)
    }
}
