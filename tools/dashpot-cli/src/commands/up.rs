//! `dashpot up`: the local stack, in the foreground or detached.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::output;
use crate::progress::Progress;
use crate::stack::{self, Options, Stack, State, Tenure};
use crate::{project, shutdown};

const WATCH: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The port of the AWS endpoint [default: a free one]
    #[arg(long)]
    port: Option<u16>,
    /// Leave the stack running in the background; `dashpot down` stops it
    #[arg(long)]
    detach: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result<()> {
    if arguments.detach {
        detached(arguments.port).await
    } else {
        foreground(arguments.port).await
    }
}

async fn foreground(port: Option<u16>) -> Result<()> {
    let Some(tenure) = Tenure::take().await? else {
        return already_running();
    };
    let starting = Stack::start(Options {
        port,
        ..Options::default()
    });
    let mut stack = tokio::select! {
        stack = starting => stack?,
        () = async { shutdown::requested().await.unwrap_or(()) } => bail!("stopped while starting"),
    };
    tenure.announce(stack.state())?;
    describe(stack.state())?;
    output::line("\nCtrl-C stops it.")?;

    let ended = tokio::select! {
        wish = shutdown::requested() => wish.map_err(Into::into),
        () = until_it_ends(&mut stack) => Err(anyhow::anyhow!("the local AWS emulator ended by itself")),
    };
    let step = Progress::Shown.step("Stopping the local stack");
    stack.stop();
    drop(tenure);
    step.done();
    ended
}

async fn until_it_ends(stack: &mut Stack) {
    while stack.is_running() {
        tokio::time::sleep(WATCH).await;
    }
}

async fn detached(port: Option<u16>) -> Result<()> {
    if Tenure::holder()?.is_some() {
        return already_running();
    }
    // What takes long is done here, where a person sees it.
    stack::prepare(Progress::Shown).await?;

    let log_file = project::private().join("up.log");
    let log =
        File::create(&log_file).with_context(|| format!("cannot create {}", log_file.display()))?;
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command
        .arg("up")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    if let Some(port) = port {
        command.args(["--port", &port.to_string()]);
    }
    // A group of its own: the terminal's Ctrl-C is not meant for it.
    let child = command
        .process_group(0)
        .spawn()
        .context("cannot start the background process")?;

    let step = Progress::Shown.step("Starting the local stack in the background");
    let state = announced(child).await.with_context(|| {
        format!(
            "the local stack did not start; its log is {}",
            log_file.display()
        )
    })?;
    step.done();
    describe(&state)?;
    output::line("\n`cargo dashpot down` stops it.")
}

async fn announced(mut child: Child) -> Result<State> {
    loop {
        if let Some(state) = State::of_running_stack()? {
            return Ok(state);
        }
        if let Some(status) = child.try_wait()? {
            let log =
                std::fs::read_to_string(project::private().join("up.log")).unwrap_or_default();
            bail!("it ended with {status}:\n{}", log.trim_end());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn already_running() -> Result<()> {
    match State::of_running_stack()? {
        Some(state) => bail!(
            "a local stack is already running at {}: stop it with `cargo dashpot down`",
            state.endpoint
        ),
        None => bail!(
            "a local stack is just being started: wait for it, or stop it with `cargo dashpot down`"
        ),
    }
}

fn describe(state: &State) -> Result<()> {
    output::line(&format!(
        "\nThe local stack is running.\n  orders       {}/orders\n  AWS endpoint {}\n  payments     {}/ledger\n\n\
         Try:  cargo dashpot products set chair --price 49.99EUR --stock 100\n      \
         cargo dashpot orders place --item chair:2\n      cargo dashpot status",
        state.api_url, state.endpoint, state.sandbox_url
    ))
}
