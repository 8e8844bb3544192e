//! The table at the end. It is made of three sources that know nothing of one another: the services' outboxes
//! and the template's filters (what was sent), the consumers' logs (what became of it), and the queues
//! themselves (what is left).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::teller::Teller;
use crate::resources::service_name;
use crate::shop::{Counts, Shop, until};
use crate::stack::Stack;
use crate::{output, project, template};

/// How long the last messages may be under way.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the story did itself, besides placing orders.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) confirmed: Vec<String>,
    pub(super) rejected: Vec<String>,
    pub(super) cancelled: Vec<String>,
    pub(super) sent_directly: u64,
    pub(super) sent_again: u64,
    pub(super) replayed: u64,
}

/// A consumer's line of the table.
#[derive(Debug)]
struct Line {
    service: String,
    sent: u64,
    replayed: u64,
    counts: Counts,
    left: u64,
    dead: u64,
}

impl Tally {
    pub(super) async fn settle(&self, shop: &Shop, scene: &Teller, stack: &Stack) -> Result<()> {
        let filters = filters()?;
        let lines = {
            let what = "every queue is empty and the books are balanced";
            let mut last = Vec::new();
            let settled = until(what, PATIENCE, async || {
                last = self.lines(shop, &filters).await?;
                Ok(last.iter().all(Line::adds_up).then_some(()))
            })
            .await;
            show(&last)?;
            settled?;
            last
        };
        let deliveries: u64 = lines.iter().map(|line| line.counts.received).sum();
        scene.saw(&format!(
            "sent + replayed = done + parked for every service, over {deliveries} deliveries; no message is left"
        ))?;
        self.effects(shop, scene, stack).await
    }

    /// What the messages did, counted where it was done.
    async fn effects(&self, shop: &Shop, scene: &Teller, stack: &Stack) -> Result<()> {
        let said: u64 = shop.said().await?.values().sum();
        let journal = shop.rows("journal", "order#").await?.len();
        ensure!(
            journal as u64 == said,
            "{said} events were said, {journal} are in the journal"
        );
        scene.saw(&format!(
            "{said} events said by the services, {journal} in the journal"
        ))?;

        let ledger = shop.ledger().await?;
        let captured: BTreeSet<&str> = ledger
            .iter()
            .filter(|payment| {
                payment.acted("capture") == 1 && payment.amount_received == payment.amount
            })
            .filter_map(|payment| payment.order_id.as_deref())
            .collect();
        let voided = ledger
            .iter()
            .filter(|payment| payment.status == "canceled")
            .count();
        let paid = self.confirmed.iter().chain(&self.cancelled);
        let paid: BTreeSet<&str> = paid.map(String::as_str).collect();
        ensure!(captured == paid, "captured: {captured:?}; paid: {paid:?}");
        let refunded: BTreeSet<&str> = ledger
            .iter()
            .filter(|payment| payment.amount_refunded > 0)
            .filter_map(|payment| payment.order_id.as_deref())
            .collect();
        let cancelled: BTreeSet<&str> = self.cancelled.iter().map(String::as_str).collect();
        ensure!(
            refunded == cancelled,
            "refunded: {refunded:?}; cancelled: {cancelled:?}"
        );
        ensure!(
            voided == self.rejected.len() && voided + captured.len() == ledger.len(),
            "{} holds, {} captured, {voided} voided",
            ledger.len(),
            captured.len()
        );
        scene.saw(&format!(
            "{} holds on cards = {} captured, once each + {voided} voided; {} refunded",
            ledger.len(),
            captured.len(),
            refunded.len()
        ))?;

        let mut reserved = BTreeMap::<String, i64>::new();
        let rows = shop.rows("inventory", "reservation#").await?;
        for row in rows.iter().filter(|row| row["state"] == "reserved") {
            for line in row["lines"].as_array().into_iter().flatten() {
                let sku = line["sku"].as_str().context("a line without a sku")?;
                *reserved.entry(sku.to_owned()).or_default() +=
                    line["quantity"].as_i64().unwrap_or(0);
            }
        }
        let (mugs, taken) = (
            shop.available("mug").await?,
            reserved.get("mug").copied().unwrap_or(0),
        );
        ensure!(
            mugs + taken == 100,
            "of 100 mugs {mugs} are there and {taken} are reserved"
        );
        scene.saw(&format!(
            "100 mugs = {taken} reserved + {mugs} on the shelf"
        ))?;

        let letters = stack.letters().await?;
        let different: BTreeSet<_> = letters
            .iter()
            .map(|letter| (&letter.to, &letter.subject, &letter.body_text))
            .collect();
        ensure!(different.len() == letters.len(), "a letter was sent twice");
        scene.saw(&format!(
            "{} letters, no two of them the same",
            letters.len()
        ))
    }

    async fn lines(
        &self,
        shop: &Shop,
        filters: &BTreeMap<String, Option<BTreeSet<String>>>,
    ) -> Result<Vec<Line>> {
        let (said, commanded) = tokio::try_join!(shop.said(), shop.commanded())?;
        let mut lines = Vec::new();
        let services: BTreeSet<&String> = filters.keys().chain(commanded.keys()).collect();
        for service in services {
            let wanted = |event: &String| match filters.get(service) {
                None => false, // who takes commands alone
                Some(filter) => filter.as_ref().is_none_or(|types| types.contains(event)),
            };
            let published: u64 = said
                .iter()
                .filter(|(event, _)| wanted(event))
                .map(|(_, times)| times)
                .sum();
            let published = published + commanded.get(service).copied().unwrap_or_default();
            let direct = service == "inventory";
            let (left, dead) = shop.depth(service).await?;
            lines.push(Line {
                sent: published
                    + if direct {
                        self.sent_directly + self.sent_again
                    } else {
                        0
                    },
                replayed: if direct { self.replayed } else { 0 },
                counts: shop.counts(service).await?,
                service: service.clone(),
                left,
                dead,
            });
        }
        Ok(lines)
    }
}

impl Line {
    /// A message is done once, however often it comes: what comes again after that is a duplicate, sent on
    /// purpose, published twice, or brought back by a lost answer.
    fn adds_up(&self) -> bool {
        let Counts {
            received,
            processed,
            duplicates,
            failed,
            parked,
        } = self.counts;
        let settled = self.sent + self.replayed;
        self.left == 0
            && self.dead + self.replayed == parked
            && processed + parked <= settled
            && settled <= processed + duplicates + parked
            && received == processed + duplicates + failed + parked
    }
}

fn show(lines: &[Line]) -> Result<()> {
    let cell = |number: u64| number.to_string();
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let counts = line.counts;
            vec![
                line.service.clone(),
                cell(line.sent),
                cell(line.replayed),
                cell(counts.processed),
                cell(counts.duplicates),
                cell(counts.failed),
                cell(counts.parked),
                cell(line.left),
                cell(line.dead),
            ]
        })
        .collect();
    let headings = [
        "SERVICE",
        "SENT",
        "REPLAYED",
        "DONE",
        "FOUND DONE",
        "RETRIED",
        "PARKED",
        "LEFT",
        "DEAD LETTERS",
    ];
    output::table(&headings, &rows)
}

/// Which events each consumer's subscription lets through, by the template; none where it takes all.
fn filters() -> Result<BTreeMap<String, Option<BTreeSet<String>>>> {
    let template = template::load(&project::template())?;
    let resources = template["Resources"]
        .as_object()
        .context("the template has no resources")?;
    let subscriptions = resources.iter().filter_map(|(logical, resource)| {
        let service = service_name(logical.strip_suffix("Subscription")?);
        let policy = &resource["Properties"]["FilterPolicy"]["type"];
        let types = |types: &Vec<Value>| {
            types
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect()
        };
        Some((service, policy.as_array().map(types)))
    });
    Ok(subscriptions.collect())
}
