//! `dashpot orders`: what a customer does, by the shop's own HTTP interface, and what became of it.

mod cancel;
mod list;
mod rebuild;
mod show;
pub mod stuck;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Common;
use crate::http;
use crate::output::{self, BOLD, GREEN, RED};
use crate::target::Target;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Place an order
    Place(Order),
    /// Ask for the cancellation of an order, as its customer
    Cancel(cancel::Arguments),
    /// Show an order, now or at any moment: its state, its money, and what caused what
    Show(show::Arguments),
    /// List orders by customer, state and day
    List(list::Arguments),
    /// Show the orders that are not finished in time: which event is missing, and where it lies
    Stuck,
    /// Build the listing anew out of the journal, while the old one serves; goes on where it was interrupted
    Rebuild(rebuild::Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Order {
    /// The customer
    #[arg(long, default_value = "customer-1")]
    user: String,
    /// Where the letters go
    #[arg(long, default_value = "customer@example.com")]
    email: String,
    /// What, and how many: chair:2 (may be given several times)
    #[arg(long = "item", required = true, value_name = "SKU:QUANTITY", value_parser = item)]
    items: Vec<(String, u32)>,
    /// The payment method; locally one of Stripe's test tokens, such as `pm_card_visa_chargeDeclined`
    #[arg(long, default_value = "pm_card_visa")]
    payment_method: String,
    /// Repeat an order under its key, and nothing happens twice [default: a new one]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(super) async fn run(common: &Common, command: Command) -> Result<ExitCode> {
    let target = common.target().await?;
    match command {
        Command::Place(order) => place(common, &target, order).await,
        Command::Cancel(asked) => cancel::run(common, &target, &asked).await,
        Command::Show(asked) => show::run(common, &target, &asked).await,
        Command::List(asked) => list::run(common, &target, &asked).await,
        Command::Stuck => stuck::run(common, &target)
            .await
            .map(|()| ExitCode::SUCCESS),
        Command::Rebuild(asked) => rebuild::run(common, &target, &asked).await,
    }
}

async fn place(common: &Common, target: &Target, order: Order) -> Result<ExitCode> {
    let key = order
        .idempotency_key
        .unwrap_or_else(|| Uuid::now_v7().to_string());
    let items: Vec<Value> = order
        .items
        .iter()
        .map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }))
        .collect();
    let url = format!("{}/orders", target.api_url());
    let sent = Instant::now();
    let answer = http::client(&url)?
        .post(&url)
        .header("Idempotency-Key", &key)
        .json(&json!({
            "userId": order.user,
            "email": order.email,
            "items": items,
            "paymentMethod": order.payment_method,
        }))
        .send()
        .await;
    let (status, body) = read(answer, &url).await?;
    let milliseconds = sent.elapsed().as_millis();
    if common.json {
        output::json(&body)?;
    } else if status.is_success() {
        output::line(&format!(
            "{GREEN}{}{GREEN:#} order {BOLD}{}{BOLD:#}, {}, in {milliseconds} ms",
            text(&body, "status"),
            text(&body, "orderId"),
            output::money(&body["total"]),
        ))?;
        output::line(&format!(
            "correlation id {}, idempotency key {key}",
            text(&body, "correlationId")
        ))?;
    }
    Ok(conclude(status, &body))
}

/// The address of an order, or of something of it.
fn order_url(target: &Target, path: &[&str]) -> Result<reqwest::Url> {
    let mut url = reqwest::Url::parse(target.api_url()).context("the stack's API URL is none")?;
    url.path_segments_mut()
        .map_err(|()| anyhow!("the stack's API URL has no path"))?
        .push("orders")
        .extend(path);
    Ok(url)
}

async fn read(
    answer: reqwest::Result<reqwest::Response>,
    url: &str,
) -> Result<(StatusCode, Value)> {
    let answer = answer.with_context(|| format!("no answer from {url}"))?;
    let status = answer.status();
    let body = answer.text().await.context("the answer broke off")?;
    Ok((
        status,
        serde_json::from_str(&body).unwrap_or(Value::String(body)),
    ))
}

/// Says why there is no order, and chooses the exit code.
fn conclude(status: StatusCode, body: &Value) -> ExitCode {
    if status.is_success() {
        return ExitCode::SUCCESS;
    }
    let why = ["detail", "title", "message"]
        .iter()
        .find_map(|field| body[field].as_str());
    anstream::eprintln!(
        "{RED}error:{RED:#} {status}: {}",
        why.map_or_else(|| body.to_string(), str::to_owned)
    );
    ExitCode::FAILURE
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or("?").to_owned()
}

fn item(text: &str) -> Result<(String, u32), String> {
    let (sku, quantity) = text.rsplit_once(':').ok_or("write it as chair:2")?;
    if sku.is_empty() {
        return Err("the article number is missing: write it as chair:2".to_owned());
    }
    let quantity = quantity
        .parse()
        .map_err(|_| format!("`{quantity}` is not a quantity"))?;
    Ok((sku.to_owned(), quantity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_an_article_number_and_a_quantity() {
        assert_eq!(item("chair:2"), Ok(("chair".to_owned(), 2)));
        assert_eq!(item("din:933:8"), Ok(("din:933".to_owned(), 8)));
        for text in ["chair", ":2", "chair:", "chair:-1", "chair:x"] {
            assert!(item(text).is_err(), "{text}");
        }
    }
}
