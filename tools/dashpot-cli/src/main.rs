//! `dashpot`: see `dashpot --help`.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    dashpot_cli::commands::run().await
}
