//! `dashpot env`: the environment of a function, for running it outside of its stack.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aws_sdk_lambda::Client;
use clap::Args;

use super::{Common, invoke};
use crate::aws::Explained;
use crate::output;
use crate::stack;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The function, as its folder is called: inventory
    function: String,
}

pub(super) async fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let target = common.target().await?;
    let function = invoke::function_name(&target, &arguments.function)?;
    let configuration = Client::new(target.config())
        .get_function_configuration()
        .function_name(&function)
        .send()
        .await
        .explained()
        .with_context(|| format!("cannot read the configuration of {function}"))?;
    let mut variables: BTreeMap<String, String> = configuration
        .environment
        .and_then(|environment| environment.variables)
        .into_iter()
        .flatten()
        .collect();
    match target.endpoint() {
        Some(endpoint) => variables.extend(stack::environment(endpoint)),
        None => variables.extend(
            target
                .config()
                .region()
                .map(|region| ("AWS_REGION".to_owned(), region.to_string())),
        ),
    }
    if common.json {
        return output::json(&variables);
    }
    for (name, value) in variables {
        output::line(&format!("{name}={value}"))?;
    }
    Ok(())
}
