//! `dashpot pick`: what a person in the warehouse does.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Subcommand;
use dashpot::DynamoStore;
use serde_json::{Value, json};
use shop_events::OrderId;
use warehouse::packing::{self, Open, Packed};

use super::Common;
use crate::output::{self, BOLD, GREEN};
use crate::target::Target;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what is to be picked, what waits longest first
    List,
    /// Say that an order's goods are packed; from then on it cannot be cancelled any more
    Pack {
        /// The order's id
        id: OrderId,
    },
}

pub(super) async fn run(common: &Common, command: Command) -> Result<()> {
    let target = common.target().await?;
    let store = store(&target)?;
    match command {
        Command::List => {
            let lists = packing::to_pick(&store).await?;
            if common.json {
                output::json(&lists.iter().map(as_json).collect::<Vec<Value>>())
            } else {
                let rows: Vec<Vec<String>> = lists.iter().map(cells).collect();
                output::table(&["SINCE", "ORDER", "GOODS"], &rows)
            }
        }
        Command::Pack { id } => {
            let packed = pack(&target, &id).await?;
            if common.json {
                let now = packed == Packed::Now;
                return output::json(&json!({ "orderId": id, "packed": true, "now": now }));
            }
            let when = match packed {
                Packed::Now => "packed",
                Packed::Before => "was packed before",
            };
            output::line(&format!("order {BOLD}{id}{BOLD:#} {GREEN}{when}{GREEN:#}"))
        }
    }
}

/// Says that an order's goods are packed, as `pick pack` does.
///
/// # Errors
///
/// There is no such list, it is withdrawn, or the table does not answer.
pub async fn pack(target: &Target, order: &OrderId) -> Result<Packed> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.context("the clock stands before 1970")?.as_millis();
    Ok(packing::pack(&store(target)?, order, now.try_into()?).await?)
}

fn store(target: &Target) -> Result<DynamoStore> {
    let table = target.resources().id("WarehouseTable")?;
    Ok(DynamoStore::new(target.config(), table))
}

fn cells(open: &Open) -> Vec<String> {
    let goods = open.list.items.iter();
    let goods: Vec<String> = goods
        .map(|line| format!("{} × {}", line.quantity, line.sku))
        .collect();
    vec![
        output::moment(i64::try_from(open.since).unwrap_or_default()),
        open.list.order_id.to_string(),
        goods.join(", "),
    ]
}

/// Without the customer's address: a picker has no use for it.
fn as_json(open: &Open) -> Value {
    json!({ "since": open.since, "orderId": open.list.order_id, "items": open.list.items })
}
