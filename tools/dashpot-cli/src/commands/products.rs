//! `dashpot products`: what the shop sells. The price is checkout's, the stock is inventory's.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use clap::{Args, Subcommand};
use serde::Serialize;
use shop_events::{Currency, Money};

use super::Common;
use crate::aws::Explained;
use crate::output;
use crate::target::Target;

const PRICES: &str = "product#";
const STOCKS: &str = "stock#";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put a product in, or change its price or its stock
    Set(Product),
    /// Show all products
    List,
}

#[derive(Debug, Args)]
pub(super) struct Product {
    /// The article number, for instance chair
    sku: String,
    /// The price of one, for instance 49.99EUR
    #[arg(long, required_unless_present = "stock", value_parser = price)]
    price: Option<Money>,
    /// How many can be sold from now on; replaces the number that is there
    #[arg(long)]
    stock: Option<u32>,
}

#[derive(Debug, Default, Serialize)]
struct Row {
    sku: String,
    price: Option<Money>,
    stock: Option<i64>,
}

pub(super) async fn run(common: &Common, command: Command) -> Result<()> {
    let target = common.target().await?;
    let products = Products::of(&target)?;
    match command {
        Command::Set(product) => {
            ensure!(!product.sku.is_empty(), "a product needs an article number");
            products.set(&product).await?;
            let row = Row {
                sku: product.sku,
                price: product.price,
                stock: product.stock.map(i64::from),
            };
            if common.json {
                output::json(&row)
            } else {
                show(&[row])
            }
        }
        Command::List => {
            let rows = products.list().await?;
            if common.json {
                output::json(&rows)
            } else {
                show(&rows)
            }
        }
    }
}

/// Puts a product in, as `products set` does.
///
/// # Errors
///
/// A table cannot be written.
pub async fn put(target: &Target, sku: &str, price: Money, stock: u32) -> Result<()> {
    let product = Product {
        sku: sku.to_owned(),
        price: Some(price),
        stock: Some(stock),
    };
    Products::of(target)?.set(&product).await
}

fn show(rows: &[Row]) -> Result<()> {
    let cell = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.sku.clone(),
                cell(row.price.map(|price| price.to_string())),
                cell(row.stock.map(|stock| stock.to_string())),
            ]
        })
        .collect();
    output::table(&["SKU", "PRICE", "STOCK"], &cells)
}

/// Reads `49.99EUR`, or `49.99 EUR`.
fn price(text: &str) -> Result<Money, String> {
    let at = text.len().saturating_sub(3);
    let (amount, currency) = text.split_at_checked(at).ok_or("write it as 49.99EUR")?;
    let currency: Currency = currency
        .parse()
        .map_err(|cause| format!("{cause}: write it as 49.99EUR"))?;
    Money::from_decimal(amount.trim_end(), currency).map_err(|cause| cause.to_string())
}

struct Products {
    client: Client,
    prices: String,
    stocks: String,
}

impl Products {
    fn of(target: &Target) -> Result<Self> {
        Ok(Self {
            client: Client::new(target.config()),
            prices: target.resources().id("CheckoutTable")?.to_owned(),
            stocks: target.resources().id("InventoryTable")?.to_owned(),
        })
    }

    async fn set(&self, product: &Product) -> Result<()> {
        // The stock first: a price is what makes a product sellable.
        if let Some(stock) = product.stock {
            self.client
                .update_item()
                .table_name(&self.stocks)
                .key("pk", AttributeValue::S(format!("{STOCKS}{}", product.sku)))
                .key("sk", AttributeValue::S("-".to_owned()))
                .update_expression("SET available = :stock")
                .expression_attribute_values(":stock", AttributeValue::N(stock.to_string()))
                .send()
                .await
                .explained()
                .context("cannot set the stock")?;
        }
        if let Some(price) = product.price {
            self.client
                .update_item()
                .table_name(&self.prices)
                .key("pk", AttributeValue::S(format!("{PRICES}{}", product.sku)))
                .key("sk", AttributeValue::S("-".to_owned()))
                .update_expression("SET price = :price, currency = :currency")
                .expression_attribute_values(":price", AttributeValue::N(price.amount.to_string()))
                .expression_attribute_values(
                    ":currency",
                    AttributeValue::S(price.currency.to_string()),
                )
                .send()
                .await
                .explained()
                .context("cannot set the price")?;
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Row>> {
        let mut rows = BTreeMap::<String, Row>::new();
        for (sku, item) in self.scan(&self.prices, PRICES).await? {
            rows.entry(sku).or_default().price = money(&item);
        }
        for (sku, item) in self.scan(&self.stocks, STOCKS).await? {
            rows.entry(sku).or_default().stock = number(&item, "available");
        }
        Ok(rows
            .into_iter()
            .map(|(sku, row)| Row { sku, ..row })
            .collect())
    }

    /// The rows whose key begins with `prefix`, by what follows it.
    async fn scan(
        &self,
        table: &str,
        prefix: &str,
    ) -> Result<Vec<(String, HashMap<String, AttributeValue>)>> {
        let mut items = self
            .client
            .scan()
            .table_name(table)
            .filter_expression("begins_with(pk, :prefix)")
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut rows = Vec::new();
        while let Some(item) = items.next().await {
            let item = item
                .explained()
                .with_context(|| format!("cannot read {table}"))?;
            let sku = item
                .get("pk")
                .and_then(|key| key.as_s().ok())
                .and_then(|key| key.strip_prefix(prefix))
                .map(str::to_owned);
            rows.extend(sku.map(|sku| (sku, item)));
        }
        Ok(rows)
    }
}

fn money(item: &HashMap<String, AttributeValue>) -> Option<Money> {
    Some(Money {
        amount: number(item, "price")?,
        currency: item.get("currency")?.as_s().ok()?.parse().ok()?,
    })
}

fn number<T: std::str::FromStr>(item: &HashMap<String, AttributeValue>, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_exactly_with_its_currency() {
        assert_eq!(price("49.99EUR").map(|money| money.amount), Ok(4999));
        assert_eq!(
            price("49.99 EUR").map(|money| money.to_string()),
            Ok("49.99 EUR".to_owned())
        );
        assert_eq!(price("500JPY").map(|money| money.amount), Ok(500));
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in [
            "",
            "EUR",
            "49.99",
            "49.999EUR",
            "-1EUR",
            "4,99EUR",
            "49.99eur",
            "12€",
        ] {
            assert!(price(text).is_err(), "{text}");
        }
    }
}
