//! `dashpot status`: where everything is, and how many messages lie where.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Serialize;
use tokio::task::JoinSet;

use super::Common;
use crate::aws::Explained;
use crate::output::{self, GREEN, YELLOW};
use crate::resources::ServiceQueues;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    endpoint: Option<String>,
    api_url: String,
    sandbox_url: Option<String>,
    topic_arn: String,
    tables: BTreeMap<String, String>,
    queues: Vec<Queue>,
}

/// The messages of one service. The numbers are SQS's own approximations.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    service: String,
    /// `null` where a service has dead letters but no queue: the relay reads streams.
    url: Option<String>,
    visible: u64,
    in_flight: u64,
    dead_letters: u64,
}

pub(super) async fn run(common: &Common) -> Result<()> {
    let target = common.target().await?;
    let status = Status {
        endpoint: target.endpoint().map(str::to_owned),
        api_url: target.api_url().to_owned(),
        sandbox_url: target.sandbox_url().map(str::to_owned),
        topic_arn: target.topic_arn().to_owned(),
        tables: target.resources().tables(),
        queues: queues(&Client::new(target.config()), target.resources().queues()).await?,
    };
    if common.json {
        output::json(&status)
    } else {
        show(&status)
    }
}

async fn queues(client: &Client, services: Vec<ServiceQueues>) -> Result<Vec<Queue>> {
    let mut counting = JoinSet::new();
    for service in services {
        counting.spawn(count(client.clone(), service));
    }
    let mut queues = Vec::new();
    while let Some(queue) = counting.join_next().await {
        queues.push(queue??);
    }
    queues.sort_by(|one, other| one.service.cmp(&other.service));
    Ok(queues)
}

async fn count(client: Client, service: ServiceQueues) -> Result<Queue> {
    let (visible, in_flight) = match &service.queue {
        Some(url) => depth(&client, url).await?,
        None => (0, 0),
    };
    let dead_letters = match &service.dead_letters {
        Some(url) => {
            // A dead letter that somebody is just looking at is one as well.
            let (visible, in_flight) = depth(&client, url).await?;
            visible + in_flight
        }
        None => 0,
    };
    Ok(Queue {
        service: service.service,
        url: service.queue,
        visible,
        in_flight,
        dead_letters,
    })
}

/// How many messages of a queue are visible, and how many in flight.
pub(super) async fn depth(client: &Client, url: &str) -> Result<(u64, u64)> {
    use QueueAttributeName::{
        ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesNotVisible as InFlight,
    };
    let answer = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(Visible)
        .attribute_names(InFlight)
        .send()
        .await
        .explained()?;
    let number = |name| {
        answer
            .attributes()
            .and_then(|attributes| attributes.get(&name)?.parse().ok())
            .unwrap_or_default()
    };
    Ok((number(Visible), number(InFlight)))
}

fn show(status: &Status) -> Result<()> {
    output::line(&format!("orders    {}/orders", status.api_url))?;
    if let Some(endpoint) = &status.endpoint {
        output::line(&format!("endpoint  {endpoint}"))?;
    }
    if let Some(sandbox) = &status.sandbox_url {
        output::line(&format!("payments  {sandbox}/ledger"))?;
    }
    output::line(&format!("topic     {}\n", status.topic_arn))?;
    let rows: Vec<Vec<String>> = status
        .queues
        .iter()
        .map(|queue| {
            let of_queue = |number: u64| {
                queue
                    .url
                    .as_ref()
                    .map_or("–".to_owned(), |_| number.to_string())
            };
            vec![
                queue.service.clone(),
                of_queue(queue.visible),
                of_queue(queue.in_flight),
                queue.dead_letters.to_string(),
            ]
        })
        .collect();
    output::table(&["SERVICE", "VISIBLE", "IN FLIGHT", "DEAD LETTERS"], &rows)?;
    match status
        .queues
        .iter()
        .map(|queue| queue.dead_letters)
        .sum::<u64>()
    {
        0 => output::line(&format!("\n{GREEN}No dead letters.{GREEN:#}")),
        dead => output::line(&format!(
            "\n{YELLOW}{dead} dead letters:{YELLOW:#} `cargo dashpot dlq list` says why."
        )),
    }
}
