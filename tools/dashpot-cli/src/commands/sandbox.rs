//! `dashpot sandbox`: the payment provider's sandbox alone, for a function that runs by itself.

use anyhow::{Context, Result};
use clap::Args;
use tokio::net::TcpListener;

use crate::{output, sandbox, shutdown};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The port [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
}

pub(super) async fn run(arguments: &Arguments) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))
        .await
        .with_context(|| {
            format!(
                "port {} is taken: choose another with --port",
                arguments.port
            )
        })?;
    output::line(&format!(
        "The payment sandbox is at http://{}; Ctrl-C stops it.",
        listener.local_addr()?
    ))?;
    let stopped = async {
        if let Err(cause) = shutdown::requested().await {
            anstream::eprintln!("cannot wait for Ctrl-C: {cause}");
        }
    };
    sandbox::serve(listener, stopped)
        .await
        .context("the payment sandbox ended")
}
