//! From template and binaries to a running stack, through the same change set that `sam deploy` would make.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, Parameter, ResourceStatus, StackStatus,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::binaries::{self, Binaries};
use super::emulator::Emulator;
use crate::aws::Explained;
use crate::progress::Step;

const BUCKET: &str = "dashpot-deployments";
const CHANGE_SET: &str = "laptop";
const POLL: Duration = Duration::from_millis(100);

/// Deploys `template` as `stack` into the emulator. Parameters that the template does not declare are
/// left out.
pub(super) async fn deploy(
    emulator: &Emulator,
    client: &Client,
    stack: &str,
    mut template: Value,
    binaries: &Binaries,
    parameters: &BTreeMap<String, String>,
    step: &Step,
) -> Result<()> {
    step.detail("uploading the functions");
    let names = point_at_uploads(&mut template, binaries)?;
    upload(emulator, names, binaries).await?;
    let url = emulator
        .upload(BUCKET, "template.json", template.to_string().into_bytes())
        .await?;

    step.detail("making the change set");
    client
        .create_change_set()
        .stack_name(stack)
        .change_set_name(CHANGE_SET)
        .change_set_type(ChangeSetType::Create)
        .template_url(url)
        .capabilities(Capability::CapabilityIam)
        .capabilities(Capability::CapabilityNamedIam)
        .capabilities(Capability::CapabilityAutoExpand)
        .set_parameters(Some(declared(&template, parameters)))
        .send()
        .await
        .explained()
        .context("the template was refused")?;
    wait_for_change_set(client, stack).await?;

    step.detail("creating the resources");
    client
        .execute_change_set()
        .stack_name(stack)
        .change_set_name(CHANGE_SET)
        .send()
        .await
        .explained()
        .context("the change set was refused")?;
    wait_for_stack(client, stack, step).await
}

/// Rewrites where each function's code lies and returns the binaries that are needed: each is what SAM would build, by
/// the function's metadata.
fn point_at_uploads(template: &mut Value, binaries: &Binaries) -> Result<BTreeSet<String>> {
    let resources = template
        .get_mut("Resources")
        .and_then(Value::as_object_mut)
        .context("the template has no resources")?;
    let mut names = BTreeSet::new();
    for (logical, resource) in resources {
        if resource["Type"] != "AWS::Serverless::Function" {
            continue;
        }
        let binary = &resource["Metadata"]["BuildProperties"]["Binary"];
        let name = binary.as_str().with_context(|| {
            format!("the template's {logical} does not name its binary: Metadata, BuildProperties, Binary")
        })?;
        let name = name.to_owned();
        if !binaries.contains_key(&name) {
            bail!(
                "the template's {logical} needs a crate functions/{name} with a binary of that name"
            );
        }
        resource["Properties"]["CodeUri"] =
            json!({ "Bucket": BUCKET, "Key": format!("{name}.zip") });
        names.insert(name);
    }
    Ok(names)
}

async fn upload(emulator: &Emulator, names: BTreeSet<String>, binaries: &Binaries) -> Result<()> {
    let mut archives = JoinSet::new();
    for name in names {
        let path = binaries[&name].clone();
        archives.spawn_blocking(move || {
            let executable =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok::<_, anyhow::Error>((name, binaries::archive(&executable)?))
        });
    }
    while let Some(archive) = archives.join_next().await {
        let (name, archive) = archive??;
        emulator
            .upload(BUCKET, &format!("{name}.zip"), archive)
            .await?;
    }
    Ok(())
}

fn declared(template: &Value, parameters: &BTreeMap<String, String>) -> Vec<Parameter> {
    parameters
        .iter()
        .filter(|(name, _)| template["Parameters"].get(name.as_str()).is_some())
        .map(|(name, value)| {
            Parameter::builder()
                .parameter_key(name)
                .parameter_value(value)
                .build()
        })
        .collect()
}

async fn wait_for_change_set(client: &Client, stack: &str) -> Result<()> {
    loop {
        let change_set = client
            .describe_change_set()
            .stack_name(stack)
            .change_set_name(CHANGE_SET)
            .send()
            .await
            .explained()?;
        match change_set.status() {
            Some(ChangeSetStatus::CreateComplete) => return Ok(()),
            Some(ChangeSetStatus::Failed) => bail!(
                "the template cannot be deployed: {}",
                change_set.status_reason().unwrap_or("no reason was given")
            ),
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

async fn wait_for_stack(client: &Client, stack: &str, step: &Step) -> Result<()> {
    loop {
        let described = client
            .describe_stacks()
            .stack_name(stack)
            .send()
            .await
            .explained()?;
        let status = described
            .stacks()
            .first()
            .and_then(|stack| stack.stack_status().cloned());
        match status {
            Some(StackStatus::CreateComplete) => return Ok(()),
            Some(StackStatus::CreateInProgress | StackStatus::ReviewInProgress) => {
                step.detail("creating the resources");
                tokio::time::sleep(POLL).await;
            }
            status => bail!(
                "the stack was not created ({}):\n{}",
                status.as_ref().map_or("it is gone", StackStatus::as_str),
                failures(client, stack).await?
            ),
        }
    }
}

/// The resources that failed, each with its reason, the first first.
async fn failures(client: &Client, stack: &str) -> Result<String> {
    let events = client
        .describe_stack_events()
        .stack_name(stack)
        .send()
        .await
        .explained()?;
    let failed = events
        .stack_events()
        .iter()
        .rev()
        .filter(|event| event.resource_status() == Some(&ResourceStatus::CreateFailed))
        .map(|event| {
            format!(
                "  {}: {}",
                event.logical_resource_id().unwrap_or("?"),
                event
                    .resource_status_reason()
                    .unwrap_or("no reason was given")
            )
        });
    Ok(failed.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::path::PathBuf;

    use super::*;

    fn template() -> Value {
        json!({
            "Parameters": { "Stage": { "Type": "String" } },
            "Resources": {
                "InventoryFunction": {
                    "Type": "AWS::Serverless::Function",
                    "Metadata": { "BuildProperties": { "Binary": "inventory" } },
                    "Properties": { "CodeUri": "." },
                },
                "InventoryQueue": { "Type": "AWS::SQS::Queue" },
            },
        })
    }

    #[test]
    fn a_function_is_pointed_at_its_uploaded_binary() {
        let mut template = template();
        let binaries = Binaries::from([("inventory".to_owned(), PathBuf::from("/inventory"))]);

        let names = point_at_uploads(&mut template, &binaries).unwrap();

        assert_eq!(names, ["inventory".to_owned()].into());
        assert_eq!(
            template["Resources"]["InventoryFunction"]["Properties"]["CodeUri"],
            json!({ "Bucket": BUCKET, "Key": "inventory.zip" })
        );
    }

    #[test]
    fn a_function_without_a_crate_is_named() {
        let error = point_at_uploads(&mut template(), &Binaries::new()).unwrap_err();

        assert!(error.to_string().contains("functions/inventory"), "{error}");
    }

    #[test]
    fn only_declared_parameters_are_passed() {
        let parameters = BTreeMap::from([
            ("Stage".to_owned(), "laptop".to_owned()),
            ("Colour".to_owned(), "red".to_owned()),
        ]);

        let passed = declared(&template(), &parameters);

        assert_eq!(passed.len(), 1);
        assert_eq!(passed[0].parameter_value(), Some("laptop"));
    }
}
