//! `dashpot orders stuck`: the orders that are not finished in time, and what each waits for.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use aws_sdk_sqs::Client;
use dashpot::{DynamoStore, Key, Query, Store, Value};
use deadlines::late::{self, Late};
use order_history::{Event, Order, fold};
use serde::Serialize;

use super::Common;
use crate::commands::{dlq, status};
use crate::output::{self, BOLD, GREEN, YELLOW, visible};
use crate::target::Target;

/// An order that is not finished in time.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stuck {
    /// The order.
    pub order_id: String,
    /// When it was placed, in milliseconds since the Unix epoch.
    pub placed_at: u64,
    /// How far it is.
    pub state: Option<&'static str>,
    /// What it waits for.
    pub waits_for: Vec<Missing>,
}

/// An event that should have been said by now.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// Its name, or the names of several of which one would do.
    pub event: &'static str,
    /// Who says it.
    pub service: &'static str,
    /// Where it lies, and what helps.
    pub lies: String,
}

pub(super) async fn run(common: &Common, target: &Target) -> Result<()> {
    let stuck = stuck(target).await?;
    if common.json {
        return output::json(&stuck);
    }
    if stuck.is_empty() {
        return output::line(&format!("{GREEN}No order is late.{GREEN:#}"));
    }
    for order in &stuck {
        let placed = output::moment(i64::try_from(order.placed_at).unwrap_or_default());
        let state = order.state.unwrap_or("not in the journal yet");
        output::line(&format!(
            "order {BOLD}{}{BOLD:#}, placed {placed}: {state}",
            order.order_id
        ))?;
        for missing in &order.waits_for {
            output::line(&format!(
                "  {YELLOW}{}{YELLOW:#} of {} is missing: {}",
                missing.event,
                missing.service,
                visible(&missing.lies)
            ))?;
        }
    }
    Ok(())
}

/// All of them, the oldest first.
///
/// # Errors
///
/// A table or a queue does not answer.
pub async fn stuck(target: &Target) -> Result<Vec<Stuck>> {
    let store = |table| -> Result<DynamoStore> {
        Ok(DynamoStore::new(
            target.config(),
            target.resources().id(table)?,
        ))
    };
    let (deadlines, journal) = (store("DeadlinesTable")?, store("JournalTable")?);
    let mut places = Places::new(target);
    let mut stuck = Vec::new();
    for Late {
        order_id,
        placed_at,
    } in late::all(&deadlines).await?
    {
        let rows = Query::partition(format!("order#{order_id}"))
            .all(&journal)
            .await?;
        let order = fold(
            order_id.clone(),
            rows.iter().filter_map(Event::in_row),
            None,
        );
        let mut waits_for = Vec::new();
        for (event, service) in missing(order.as_ref()) {
            let lies = places.of(service, order_id.as_str()).await?;
            waits_for.push(Missing {
                event,
                service,
                lies,
            });
        }
        stuck.push(Stuck {
            order_id: order_id.to_string(),
            placed_at,
            state: order.map(|it| it.summary.state.as_str()),
            waits_for,
        });
    }
    Ok(stuck)
}

/// Which events an order waits for, and of whom, by those that there are.
fn missing(order: Option<&Order>) -> Vec<(&'static str, &'static str)> {
    let history = order.into_iter().flat_map(|it| &it.history);
    let seen: BTreeSet<&str> = history.map(|entry| entry.event_type.as_str()).collect();
    let there_is = |event| seen.contains(event);
    if seen.is_empty() {
        return vec![("order.placed", "checkout")];
    }
    if there_is("stock.rejected") {
        return vec![("payment.voided", "payments")];
    }
    let mut missing = Vec::new();
    if !there_is("stock.reserved") {
        missing.push(("stock.reserved or stock.rejected", "inventory"));
    } else if !there_is("payment.captured") {
        missing.push(("payment.captured or payment.failed", "payments"));
    }
    if there_is("stock.reserved") && !there_is("pick_list.created") {
        missing.push(("pick_list.created", "warehouse"));
    }
    if there_is("order.cancellation_requested") && !there_is("order.cancellation_refused") {
        missing.push(("order.cancelled or order.cancellation_refused", "warehouse"));
    }
    if missing.is_empty() {
        // The journal knows more than deadlines by now.
        missing.push(("nothing", "deadlines"));
    }
    missing
}

/// Where messages lie. What is found once is not looked for again: each look hides dead letters from others.
struct Places<'a> {
    target: &'a Target,
    client: Client,
    dead: BTreeMap<&'static str, Vec<serde_json::Value>>,
    depth: BTreeMap<&'static str, (u64, u64)>,
}

impl<'a> Places<'a> {
    fn new(target: &'a Target) -> Self {
        Self {
            target,
            client: Client::new(target.config()),
            dead: BTreeMap::new(),
            depth: BTreeMap::new(),
        }
    }

    async fn of(&mut self, service: &'static str, order: &str) -> Result<String> {
        if service == "checkout" {
            return Ok(republish(
                "the relay has not published it, or the journal has not filed it",
            ));
        }
        if !self.dead.contains_key(service) {
            self.dead
                .insert(service, dlq::look(self.target, service).await?);
        }
        let letter = self.dead[service].iter().find(|letter| {
            letter["body"]
                .as_str()
                .is_some_and(|body| body.contains(order))
        });
        if let Some(letter) = letter {
            let text = |field: &str| letter[field].as_str().unwrap_or("–").to_owned();
            return Ok(format!(
                "its message lies in the dead-letter queue, as {} ({}): `cargo dashpot dlq show {}`",
                text("reason"),
                text("detail"),
                text("messageId")
            ));
        }
        if let Some(state) = self.done(service, order).await? {
            return Ok(republish(&format!(
                "{service} says {state}, and its event is not in the journal"
            )));
        }
        let (waiting, in_flight) = self.depth(service).await?;
        if waiting + in_flight == 0 {
            return Ok(republish("its message is in no queue"));
        }
        Ok(format!(
            "its message is one of {waiting} that wait in the queue, or of {in_flight} that are in work or wait for another try: `cargo dashpot logs {service}`"
        ))
    }

    async fn depth(&mut self, service: &'static str) -> Result<(u64, u64)> {
        if let Some(depth) = self.depth.get(service) {
            return Ok(*depth);
        }
        let queues = self.target.resources().queues();
        let queue = queues.into_iter().find(|it| it.service == service);
        let depth = match queue.and_then(|it| it.queue) {
            Some(url) => status::depth(&self.client, &url).await?,
            None => (0, 0),
        };
        self.depth.insert(service, depth);
        Ok(depth)
    }

    /// The state of the service's own row, if that is one in which it has said what is missing.
    async fn done(&self, service: &str, order: &str) -> Result<Option<String>> {
        let (table, key, done): (_, _, &[&str]) = match service {
            "inventory" => (
                "InventoryTable",
                Key::new(format!("reservation#{order}")),
                &["reserved", "rejected"],
            ),
            "payments" => (
                "PaymentsTable",
                Key::of(format!("payment#{order}"), "state"),
                &["captured", "failed", "voided"],
            ),
            "warehouse" => (
                "WarehouseTable",
                Key::new(format!("pick_list#{order}")),
                &["open", "packed"],
            ),
            _ => return Ok(None),
        };
        let store = DynamoStore::new(self.target.config(), self.target.resources().id(table)?);
        let rows = store.get(&[key]).await?;
        let row = rows.into_iter().next().flatten();
        let state = row
            .as_ref()
            .and_then(|row| row.get("state"))
            .and_then(Value::as_str);
        Ok(state
            .filter(|state| done.contains(state))
            .map(str::to_owned))
    }
}

fn republish(why: &str) -> String {
    format!("{why}: `cargo dashpot outbox republish --since '1d ago'` says what is unpublished")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn order(events: &[&str]) -> Option<Order> {
        let event = |name: &&str| {
            let body = format!(
                r#"{{"type":"{name}","payload":{{"orderId":"1","userId":"u","total":{{"amount":1,"currency":"EUR"}},"paymentIntentId":"pi_1"}},
                   "metadata":{{"id":"{name}","timestamp":1,"correlationId":"c","version":1,"subject":"1"}}}}"#
            );
            Event::in_body(&body).unwrap()
        };
        fold("1".parse().unwrap(), events.iter().map(event), None)
    }

    #[test]
    fn an_order_waits_for_what_its_history_lacks() {
        for (events, waits_for) in [
            (&[][..], &["checkout"][..]),
            (&["order.placed"], &["inventory"]),
            (
                &["order.placed", "stock.reserved"],
                &["payments", "warehouse"],
            ),
            (
                &["order.placed", "stock.reserved", "pick_list.created"],
                &["payments"],
            ),
            (&["order.placed", "stock.rejected"], &["payments"]),
            (
                &["order.placed", "order.cancellation_requested"],
                &["inventory", "warehouse"],
            ),
        ] {
            let missing = missing(order(events).as_ref());
            let services: Vec<_> = missing.iter().map(|(_, service)| *service).collect();
            assert_eq!(services, waits_for, "{events:?}");
        }
    }
}
