//! The commands, one file each.

pub mod dlq;
mod down;
mod env;
pub mod invoices;
mod invoke;
mod logs;
pub mod orders;
pub mod outbox;
pub mod pick;
pub mod products;
pub mod quote;
pub mod replay;
mod sandbox;
pub mod stats;
mod status;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::demo;
use crate::output::RED;
use crate::target::Target;

/// Runs, feeds and examines the shop: on this machine, or on AWS with --stack.
#[derive(Debug, Parser)]
#[command(name = "dashpot", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What all commands understand.
#[derive(Debug, Args)]
struct Common {
    /// Act on this CloudFormation stack on AWS, with the ordinary credentials, instead of the local one
    #[arg(long, global = true, value_name = "NAME", env = "DASHPOT_STACK")]
    stack: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See the whole system at work, on a stack of its own: orders, failures, recovery, replay
    Demo,
    /// Build and start the local stack; it runs until Ctrl-C
    Up(up::Arguments),
    /// Stop the local stack
    Down,
    /// Show where everything is and how many messages lie where
    Status,
    /// Invoke a function with a sample event and print its answer
    Invoke(invoke::Arguments),
    /// Print a function's environment, for `cargo lambda watch --env-file` and the like
    Env(env::Arguments),
    /// The shop's products
    #[command(subcommand)]
    Products(products::Command),
    /// Place orders, cancel them, look at them, list them
    #[command(subcommand)]
    Orders(orders::Command),
    /// Pick lists: what a person in the warehouse does
    #[command(subcommand)]
    Pick(pick::Command),
    /// Ask what goods would cost, by request and reply over queues
    Quote(quote::Arguments),
    /// Invoices: a PDF for each paid order
    #[command(subcommand)]
    Invoices(invoices::Command),
    /// Dead letters: find out why a message died, and send it through again
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// What services said, and whether it was published
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// Feed the past, out of the journal, to one consumer that can take it
    Replay(replay::Arguments),
    /// Plot orders, revenue and failures by hour or day; recount them from the journal
    Stats(stats::Arguments),
    /// What the functions wrote to their logs
    Logs(logs::Arguments),
    /// Serve the payment provider's sandbox alone
    Sandbox(sandbox::Arguments),
}

impl Common {
    async fn target(&self) -> Result<Target> {
        Target::find(self.stack.as_deref()).await
    }
}

/// Runs the command line: 0 if it succeeded, 1 if it failed, 2 if it was not understood.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli).await {
        Ok(code) => code,
        Err(cause) if is_closed_pipe(&cause) => ExitCode::SUCCESS,
        Err(cause) => {
            anstream::eprintln!("{RED}error:{RED:#} {cause:#}");
            ExitCode::FAILURE
        }
    }
}

/// `dashpot logs | head` is no failure.
fn is_closed_pipe(cause: &anyhow::Error) -> bool {
    cause
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn dispatch(cli: Cli) -> Result<ExitCode> {
    let common = cli.common;
    match cli.command {
        Command::Demo => demo::run().await?,
        Command::Up(arguments) => up::run(&arguments).await?,
        Command::Down => down::run().await?,
        Command::Status => status::run(&common).await?,
        Command::Invoke(arguments) => return invoke::run(&common, &arguments).await,
        Command::Env(arguments) => env::run(&common, &arguments).await?,
        Command::Products(command) => products::run(&common, command).await?,
        Command::Orders(command) => return orders::run(&common, command).await,
        Command::Quote(arguments) => quote::run(&common, &arguments).await?,
        Command::Invoices(command) => invoices::run(&common, command).await?,
        Command::Pick(command) => pick::run(&common, command).await?,
        Command::Dlq(command) => return dlq::run(&common, command).await,
        Command::Outbox(command) => outbox::run(&common, command).await?,
        Command::Replay(arguments) => replay::run(&common, &arguments).await?,
        Command::Stats(arguments) => return stats::run(&common, &arguments).await,
        Command::Logs(arguments) => logs::run(&common, &arguments).await?,
        Command::Sandbox(arguments) => sandbox::run(&arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
