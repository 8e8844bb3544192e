//! What a deployed stack consists of, by the logical ids of the template.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aws_sdk_cloudformation::Client;

use crate::aws::Explained;

const QUEUE: &str = "Queue";
const DEAD_LETTER_QUEUE: &str = "DeadLetterQueue";
const TABLE: &str = "Table";
const FUNCTION: &str = "Function";
const LOG_GROUP: &str = "LogGroup";

/// The queues of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceQueues {
    /// The service as its folder is called: `inventory`.
    pub service: String,
    /// The queue's URL; the relay has none.
    pub queue: Option<String>,
    /// The dead-letter queue's URL.
    pub dead_letters: Option<String>,
}

/// Physical ids by logical id, and the stack's outputs.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    ids: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
}

impl Resources {
    /// Asks CloudFormation.
    ///
    /// # Errors
    ///
    /// The stack does not exist, or the credentials do not allow to look.
    pub async fn of(client: &Client, stack: &str) -> Result<Self> {
        let described = client
            .describe_stacks()
            .stack_name(stack)
            .send()
            .await
            .explained()
            .with_context(|| format!("cannot find the stack `{stack}`"))?;
        let outputs = described
            .stacks()
            .iter()
            .flat_map(aws_sdk_cloudformation::types::Stack::outputs)
            .filter_map(|output| {
                Some((
                    output.output_key()?.to_owned(),
                    output.output_value()?.to_owned(),
                ))
            })
            .collect();

        let mut ids = BTreeMap::new();
        let mut pages = client
            .list_stack_resources()
            .stack_name(stack)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.explained()?;
            for resource in page.stack_resource_summaries() {
                if let (Some(logical), Some(physical)) = (
                    resource.logical_resource_id(),
                    resource.physical_resource_id(),
                ) {
                    ids.insert(logical.to_owned(), physical.to_owned());
                }
            }
        }
        Ok(Self { ids, outputs })
    }

    /// The physical id of a resource: a queue's URL, a topic's ARN, a table's or a function's name.
    ///
    /// # Errors
    ///
    /// The template has no resource of that logical id.
    pub fn id(&self, logical: &str) -> Result<&str> {
        self.ids
            .get(logical)
            .map(String::as_str)
            .with_context(|| format!("the stack has no resource `{logical}`"))
    }

    /// An output of the template.
    ///
    /// # Errors
    ///
    /// The template has no output of that name.
    pub fn output(&self, name: &str) -> Result<&str> {
        self.outputs
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("the stack has no output `{name}`"))
    }

    /// The queues of every service that has any, by service.
    #[must_use]
    pub fn queues(&self) -> Vec<ServiceQueues> {
        let mut services = BTreeMap::<String, ServiceQueues>::new();
        for (logical, url) in &self.ids {
            let (service, dead) = if let Some(service) = logical.strip_suffix(DEAD_LETTER_QUEUE) {
                (service, true)
            } else if let Some(service) = logical.strip_suffix(QUEUE) {
                (service, false)
            } else {
                continue;
            };
            let service = service_name(service);
            let entry = services.entry(service.clone()).or_insert(ServiceQueues {
                service,
                queue: None,
                dead_letters: None,
            });
            let side = if dead {
                &mut entry.dead_letters
            } else {
                &mut entry.queue
            };
            *side = Some(url.clone());
        }
        services.into_values().collect()
    }

    /// Table names by service.
    #[must_use]
    pub fn tables(&self) -> BTreeMap<String, String> {
        self.by_service(TABLE)
    }

    /// Function names by service.
    #[must_use]
    pub fn functions(&self) -> BTreeMap<String, String> {
        self.by_service(FUNCTION)
    }

    /// Log groups by service.
    #[must_use]
    pub fn log_groups(&self) -> BTreeMap<String, String> {
        self.by_service(LOG_GROUP)
    }

    fn by_service(&self, suffix: &str) -> BTreeMap<String, String> {
        self.ids
            .iter()
            .filter_map(|(logical, id)| {
                Some((service_name(logical.strip_suffix(suffix)?), id.clone()))
            })
            .collect()
    }
}

/// The name of the service whose resources begin so in the template: `invoices-urgent` for `InvoicesUrgent`.
#[must_use]
pub fn service_name(logical: &str) -> String {
    let mut name = String::new();
    for letter in logical.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_as_its_queue() {
        assert_eq!(service_name("Inventory"), "inventory");
        assert_eq!(service_name("InvoicesUrgent"), "invoices-urgent");
    }

    fn resources(ids: &[&str]) -> Resources {
        Resources {
            ids: ids
                .iter()
                .map(|id| ((*id).to_owned(), format!("id-of-{id}")))
                .collect(),
            outputs: BTreeMap::new(),
        }
    }

    #[test]
    fn a_queue_and_its_dead_letter_queue_belong_to_one_service() {
        let queues = resources(&[
            "InventoryQueue",
            "InventoryDeadLetterQueue",
            "RelayDeadLetterQueue",
        ])
        .queues();

        assert_eq!(
            queues,
            [
                ServiceQueues {
                    service: "inventory".to_owned(),
                    queue: Some("id-of-InventoryQueue".to_owned()),
                    dead_letters: Some("id-of-InventoryDeadLetterQueue".to_owned()),
                },
                ServiceQueues {
                    service: "relay".to_owned(),
                    queue: None,
                    dead_letters: Some("id-of-RelayDeadLetterQueue".to_owned()),
                },
            ]
        );
    }

    #[test]
    fn tables_and_functions_are_found_by_service() {
        let resources = resources(&["CheckoutTable", "CheckoutFunction", "CheckoutFunctionRole"]);

        assert_eq!(resources.tables().keys().collect::<Vec<_>>(), ["checkout"]);
        assert_eq!(
            resources.functions().keys().collect::<Vec<_>>(),
            ["checkout"]
        );
    }

    #[test]
    fn a_missing_resource_is_named() {
        let nothing = resources(&[]);

        let error = nothing.id("OrdersTable").map_err(|error| error.to_string());

        assert_eq!(
            error,
            Err("the stack has no resource `OrdersTable`".to_owned())
        );
    }
}
