//! The shop as one sees it from outside: what a customer does, and what can be observed of its effects.
//!
//! The demo and the end-to-end tests say nothing that they have not seen here.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::Explained;
use crate::http;
use crate::target::Target;

/// How often something that is waited for is looked at.
const POLL: Duration = Duration::from_millis(40);

/// A running shop.
#[derive(Debug, Clone)]
pub struct Shop {
    target: Target,
    http: reqwest::Client,
    dynamo: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    sandbox: String,
}

/// An answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: Value,
    /// From sending the request to having read the answer.
    pub took: Duration,
}

impl Answer {
    /// The order's id.
    ///
    /// # Errors
    ///
    /// The answer names no order.
    pub fn order_id(&self) -> Result<String> {
        let id = self.body["orderId"].as_str();
        id.map(str::to_owned)
            .with_context(|| format!("no order in the answer {}: {}", self.status, self.body))
    }
}

/// A payment in the provider's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The provider's id of it.
    pub id: String,
    /// Our order.
    pub order_id: Option<String>,
    /// In minor units.
    pub amount: u64,
    /// What was captured, in minor units.
    pub amount_received: u64,
    /// What went back, in minor units.
    pub amount_refunded: u64,
    /// Stripe's status.
    pub status: String,
    /// Every call made on it.
    pub calls: Vec<Value>,
}

impl Payment {
    /// How many calls of this kind moved money.
    #[must_use]
    pub fn acted(&self, operation: &str) -> usize {
        let acted = |call: &&Value| call["operation"] == operation && call["acted"] == true;
        self.calls.iter().filter(acted).count()
    }
}

/// What the logs of a consumer count, over all its batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Deliveries.
    pub received: u64,
    /// Handled for the first time.
    pub processed: u64,
    /// Found handled before.
    pub duplicates: u64,
    /// Sent back for another try.
    pub failed: u64,
    /// Put into the dead-letter queue.
    pub parked: u64,
}

impl Shop {
    /// The shop of a local stack.
    ///
    /// # Errors
    ///
    /// It is a stack on AWS, which has no payment sandbox to look into.
    pub fn of(target: &Target) -> Result<Self> {
        let sandbox = target
            .sandbox_url()
            .context("only a local stack can be looked into")?;
        Ok(Self {
            http: http::client(target.api_url())?,
            dynamo: aws_sdk_dynamodb::Client::new(target.config()),
            sqs: aws_sdk_sqs::Client::new(target.config()),
            logs: aws_sdk_cloudwatchlogs::Client::new(target.config()),
            sandbox: sandbox.to_owned(),
            target: target.clone(),
        })
    }

    /// What it is made of.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The body of an order that a customer sends.
    #[must_use]
    pub fn order(user: &str, items: &[(&str, u32)], payment_method: &str) -> Value {
        let items: Vec<Value> = items
            .iter()
            .map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }))
            .collect();
        json!({
            "userId": user,
            "email": format!("{user}@example.com"),
            "items": items,
            "paymentMethod": payment_method,
        })
    }

    /// `POST /orders`.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn place(&self, key: &str, order: &Value) -> Result<Answer> {
        let request = self.http.post(format!("{}/orders", self.target.api_url()));
        answer(request.header("Idempotency-Key", key).json(order)).await
    }

    /// `POST /orders/{id}/cancel`.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn cancel(&self, order: &str, user: &str) -> Result<Answer> {
        let url = format!("{}/orders/{order}/cancel", self.target.api_url());
        answer(self.http.post(url).json(&json!({ "userId": user }))).await
    }

    /// `GET /orders/{id}`.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn show(&self, order: &str) -> Result<Answer> {
        answer(
            self.http
                .get(format!("{}/orders/{order}", self.target.api_url())),
        )
        .await
    }

    /// The order's state as `GET /orders/{id}` tells it, once the journal knows it.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn state(&self, order: &str) -> Result<Option<String>> {
        Ok(self.show(order).await?.body["state"]
            .as_str()
            .map(str::to_owned))
    }

    /// The payment provider's ledger.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn ledger(&self) -> Result<Vec<Payment>> {
        let answer = self
            .http
            .get(format!("{}/ledger", self.sandbox))
            .send()
            .await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// The payments of an order.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn payments(&self, order: &str) -> Result<Vec<Payment>> {
        let mut ledger = self.ledger().await?;
        ledger.retain(|payment| payment.order_id.as_deref() == Some(order));
        Ok(ledger)
    }

    /// Tells the provider how to misbehave: the rules of [`crate::sandbox`].
    ///
    /// # Errors
    ///
    /// The sandbox does not understand a rule.
    pub async fn misbehave(&self, rules: &Value) -> Result<()> {
        let url = format!("{}/behaviour", self.sandbox);
        self.http
            .post(url)
            .json(rules)
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    /// Lets the provider behave again.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn behave(&self) -> Result<()> {
        let url = format!("{}/behaviour", self.sandbox);
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// A row of a service's table, as plain JSON.
    ///
    /// # Errors
    ///
    /// No such table, or no answer.
    pub async fn row(&self, service: &str, pk: &str, sk: &str) -> Result<Option<Value>> {
        let answer = self
            .dynamo
            .get_item()
            .table_name(self.table(service)?)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .explained()?;
        Ok(answer.item.map(plain))
    }

    /// All rows of a service's table whose partition key starts so, as plain JSON.
    ///
    /// # Errors
    ///
    /// No such table, or no answer.
    pub async fn rows(&self, service: &str, prefix: &str) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut pages = self
            .dynamo
            .scan()
            .table_name(self.table(service)?)
            .consistent_read(true)
            .filter_expression("begins_with(pk, :prefix)")
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            rows.extend(page.explained()?.items.into_iter().flatten().map(plain));
        }
        Ok(rows)
    }

    /// How many of a sku are available.
    ///
    /// # Errors
    ///
    /// No answer, or no such product.
    pub async fn available(&self, sku: &str) -> Result<i64> {
        let row = self.row("inventory", &format!("stock#{sku}"), "-").await?;
        row.and_then(|row| row["available"].as_i64())
            .with_context(|| format!("there is no stock of {sku}"))
    }

    /// The types of all events that the services have said, with how often.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn said(&self) -> Result<BTreeMap<String, u64>> {
        self.counted(|row| row.get("to").is_none().then(|| row["type"].clone()))
            .await
    }

    /// The queues that the services have sent commands to, with how many. Those that wait with the scheduler are not
    /// sent yet.
    ///
    /// # Errors
    ///
    /// No answer.
    pub async fn commanded(&self) -> Result<BTreeMap<String, u64>> {
        let is_timed = |row: &Value| row.get("schedule").is_some() || row.get("cancels").is_some();
        self.counted(|row| row.get("to").filter(|_| !is_timed(row)).cloned())
            .await
    }

    /// How often each name is in the outboxes.
    async fn counted(
        &self,
        name: impl Fn(&Value) -> Option<Value>,
    ) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for service in [
            "checkout",
            "inventory",
            "payments",
            "warehouse",
            "deadlines",
        ] {
            for row in self.rows(service, "outbox#").await? {
                if let Some(name) = name(&row) {
                    let name = name.as_str().unwrap_or_default().to_owned();
                    *counts.entry(name).or_default() += 1;
                }
            }
        }
        Ok(counts)
    }

    /// Sends bodies straight to a service's queue, in batches of ten, as another system might.
    ///
    /// # Errors
    ///
    /// The queue does not take them.
    pub async fn send(&self, service: &str, bodies: &[String]) -> Result<()> {
        use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

        let url = self.queues(service)?.0;
        for chunk in bodies.chunks(10) {
            let entries = chunk.iter().enumerate().map(|(id, body)| {
                SendMessageBatchRequestEntry::builder()
                    .id(id.to_string())
                    .message_body(body)
                    .build()
            });
            let answer = self
                .sqs
                .send_message_batch()
                .queue_url(&url)
                .set_entries(Some(entries.collect::<Result<_, _>>()?))
                .send()
                .await
                .explained()?;
            if let Some(failed) = answer.failed().first() {
                bail!(
                    "the queue of {service} does not take a message: {}",
                    failed.code()
                );
            }
        }
        Ok(())
    }

    /// How many messages are in a service's queue, waiting or in flight, and how many in its dead-letter queue.
    ///
    /// # Errors
    ///
    /// No such queues, or no answer.
    pub async fn depth(&self, service: &str) -> Result<(u64, u64)> {
        let (queue, dead_letters) = self.queues(service)?;
        Ok((
            self.messages(&queue).await?,
            self.messages(&dead_letters).await?,
        ))
    }

    async fn messages(&self, url: &str) -> Result<u64> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(url)
            .set_attribute_names(Some(names.into()))
            .send()
            .await
            .explained()?;
        let numbers = answer.attributes.unwrap_or_default().into_values();
        Ok(numbers
            .filter_map(|number| number.parse::<u64>().ok())
            .sum())
    }

    /// What a consumer's log says about its batches.
    ///
    /// # Errors
    ///
    /// No such log group, or no answer.
    pub async fn counts(&self, service: &str) -> Result<Counts> {
        let groups = self.target.resources().log_groups();
        let group = groups
            .get(service)
            .with_context(|| format!("{service} has no log group"))?;
        let mut pages = self
            .logs
            .filter_log_events()
            .log_group_name(group)
            .into_paginator()
            .send();
        let mut total = Counts::default();
        while let Some(page) = pages.next().await {
            for event in page.explained()?.events.into_iter().flatten() {
                let lines = event.message.unwrap_or_default();
                for line in lines
                    .lines()
                    .filter(|line| line.contains("\"batch handled\""))
                {
                    let counts: Counts = serde_json::from_str(line)?;
                    total.received += counts.received;
                    total.processed += counts.processed;
                    total.duplicates += counts.duplicates;
                    total.failed += counts.failed;
                    total.parked += counts.parked;
                }
            }
        }
        Ok(total)
    }

    fn table(&self, service: &str) -> Result<String> {
        let tables = self.target.resources().tables();
        tables
            .get(service)
            .cloned()
            .with_context(|| format!("{service} has no table"))
    }

    fn queues(&self, service: &str) -> Result<(String, String)> {
        let queues = self.target.resources().queues();
        let queues = queues.into_iter().find(|queues| queues.service == service);
        queues
            .and_then(|queues| Some((queues.queue?, queues.dead_letters?)))
            .with_context(|| format!("{service} has no queue"))
    }
}

/// Looks again and again until there is something to see.
///
/// # Errors
///
/// `what` was not seen within `patience`, or looking failed.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        if start.elapsed() > patience {
            bail!("not seen within {} s: {what}", patience.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer> {
    let start = Instant::now();
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let text = answer.text().await?;
    Ok(Answer {
        status,
        took: start.elapsed(),
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    })
}

fn plain(item: std::collections::HashMap<String, AttributeValue>) -> Value {
    let object: Map<String, Value> = item
        .into_iter()
        .map(|(name, value)| (name, plain_value(value)))
        .collect();
    Value::Object(object)
}

fn plain_value(value: AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::N(number) => serde_json::from_str(&number).unwrap_or(Value::String(number)),
        AttributeValue::Bool(truth) => Value::Bool(truth),
        AttributeValue::L(values) => values.into_iter().map(plain_value).collect(),
        AttributeValue::M(item) => plain(item),
        _ => Value::Null,
    }
}
