//! `dashpot invoke`: one function, one event, its answer.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use clap::Args;

use super::Common;
use crate::aws::Explained;
use crate::output::RED;
use crate::target::Target;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The function, as its folder is called: inventory
    function: String,
    /// The event: a file such as events/inventory/good.json, or - for standard input
    file: PathBuf,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Result<ExitCode> {
    let event = read(&arguments.file)?;
    let target = common.target().await?;
    let function = function_name(&target, &arguments.function)?;
    let answer = Client::new(target.config())
        .invoke()
        .function_name(&function)
        .payload(Blob::new(event))
        .send()
        .await
        .explained()
        .with_context(|| format!("cannot invoke {function}"))?;

    let mut stdout = std::io::stdout().lock();
    stdout.write_all(answer.payload().map(Blob::as_ref).unwrap_or_default())?;
    writeln!(stdout)?;
    let Some(error) = answer.function_error() else {
        return Ok(ExitCode::SUCCESS);
    };
    anstream::eprintln!(
        "{RED}error:{RED:#} the function failed ({error}): `cargo dashpot logs {}` says more",
        arguments.function
    );
    Ok(ExitCode::FAILURE)
}

/// The name of a service's function in this stack.
pub(super) fn function_name(target: &Target, service: &str) -> Result<String> {
    let mut functions = target.resources().functions();
    functions.remove(service).with_context(|| {
        let known = functions.into_keys().collect::<Vec<_>>().join(", ");
        format!("there is no function `{service}`; there are: {known}")
    })
}

/// The content of a file, or of standard input for `-`.
pub(super) fn read(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut content = Vec::new();
        std::io::stdin()
            .read_to_end(&mut content)
            .context("cannot read standard input")?;
        return Ok(content);
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
