//! Whether the rows that serve are what the journal adds up to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dashpot::{Item, Page, Part, Query, Scan, Store, Value};
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use order_history::{Event, Facts};
use shop_events::OrderId;
use tokio::time::sleep;

use crate::generation::Generation;
use crate::rebuild::{PARTS, RebuildError, is_filed, join, no_envelope, pointer, read};
use crate::row;

/// How many orders of a part are recounted at a time.
const AT_ONCE: usize = 8;

/// How often an order that differs is looked at again: events may be on their way.
const LOOKS: u32 = 4;

/// What a check has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Events of the journal.
    pub events: u64,
    /// Rows that serve.
    pub orders: u64,
    /// Orders whose row is not what the journal adds up to, by id.
    pub differences: Vec<Difference>,
}

/// An order whose row is not what the journal adds up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The order.
    pub order: OrderId,
    /// What its row says, as it stands; none where there is no row.
    pub listed: Option<Item>,
    /// What it should say, without key and version; none where the journal knows no such order.
    pub journal: Option<Item>,
}

/// Recounts: looks for every order of the journal in the rows, and for every row in the journal.
///
/// What differs is looked at again, for `patience` at a time: an event reaches one before the other.
///
/// # Errors
/// [`RebuildError`].
pub async fn check<J: Store + Scan, S: Store + Scan>(
    journal: &J,
    store: &S,
    patience: Duration,
) -> Result<Report, RebuildError> {
    let serving = pointer(store).await?.serving;
    let check = Check {
        journal,
        store,
        serving,
    };
    let filed = try_join_all((0..PARTS).map(|number| check.filed(number)));
    let listed = try_join_all((0..PARTS).map(|number| check.listed(number)));
    let (filed, listed) = (filed.await?, listed.await?);
    let mut report = Report {
        events: filed.iter().map(|(events, _)| events).sum(),
        orders: listed.iter().map(|(orders, _)| orders).sum(),
        ..Report::default()
    };
    let filed = filed.into_iter().flat_map(|(_, doubtful)| doubtful);
    let listed = listed.into_iter().flat_map(|(_, doubtful)| doubtful);
    for order in filed.chain(listed).collect::<BTreeSet<OrderId>>() {
        let mut difference = check.difference(&order).await?;
        for _ in 1..LOOKS {
            if difference.is_none() {
                break;
            }
            sleep(patience).await;
            difference = check.difference(&order).await?;
        }
        report.differences.extend(difference);
    }
    Ok(report)
}

struct Check<'a, J, S> {
    journal: &'a J,
    store: &'a S,
    serving: Generation,
}

impl<J: Store + Scan, S: Store + Scan> Check<'_, J, S> {
    /// The events of a part of the journal, and the orders that lack some of them.
    async fn filed(&self, number: u32) -> Result<(u64, Vec<OrderId>), RebuildError> {
        let (mut events, mut doubtful) = (0, Vec::new());
        let mut part = part(number);
        loop {
            let Page { items, next } = read(|| self.journal.scan(&part)).await?;
            let mut orders: BTreeMap<OrderId, Facts> = BTreeMap::new();
            for row in items.iter().filter(|row| is_filed(row)) {
                let event = Event::in_row(row).ok_or_else(|| no_envelope(row))?;
                events += 1;
                join(&mut orders, event.order_id(), || Facts::of(&event));
            }
            let keys: Vec<_> = orders.keys().map(|it| row::key(self.serving, it)).collect();
            let rows = read(|| self.store.get(&keys)).await?;
            for ((order, facts), row) in orders.into_iter().zip(rows) {
                let known = row.as_ref().and_then(|row| row::facts(row).ok());
                let has_all = known.is_some_and(|known| known.clone().join(facts) == known);
                if !has_all {
                    doubtful.push(order);
                }
            }
            part.after = next;
            if part.after.is_none() {
                return Ok((events, doubtful));
            }
        }
    }

    /// The rows of a part of the table, and the orders that the journal does not tell so.
    async fn listed(&self, number: u32) -> Result<(u64, Vec<OrderId>), RebuildError> {
        let (mut count, mut doubtful) = (0, Vec::new());
        let mut part = part(number);
        loop {
            let Page { items, next } = read(|| self.store.scan(&part)).await?;
            let ours = items.into_iter().filter_map(|row| {
                let pk = row.get("pk")?.as_str()?;
                let is_ours = Generation::of_row(pk) == Some(self.serving);
                is_ours.then(|| Some((row::order(&row)?, row)))?
            });
            let ours: Vec<(OrderId, Item)> = ours.collect();
            count += ours.len() as u64;
            let recounts = stream::iter(ours).map(|(order, row)| async move {
                let same = self.expected(&order).await?.as_ref() == Some(&said(&row));
                Ok::<_, RebuildError>((!same).then_some(order))
            });
            let recounts = recounts.buffer_unordered(AT_ONCE);
            let differ: Vec<Option<OrderId>> = recounts.try_collect().await?;
            doubtful.extend(differ.into_iter().flatten());
            part.after = next;
            if part.after.is_none() {
                return Ok((count, doubtful));
            }
        }
    }

    async fn difference(&self, order: &OrderId) -> Result<Option<Difference>, RebuildError> {
        let key = [row::key(self.serving, order)];
        let listed = read(|| self.store.get(&key)).await?;
        let listed = listed.into_iter().next().flatten();
        let journal = self.expected(order).await?;
        let same = listed.as_ref().map(said) == journal;
        Ok((!same).then(|| Difference {
            order: order.clone(),
            listed,
            journal,
        }))
    }

    /// What an order's row should say.
    async fn expected(&self, order: &OrderId) -> Result<Option<Item>, RebuildError> {
        let mut query = Query::partition(format!("order#{order}"));
        let mut facts: Option<Facts> = None;
        loop {
            let page = read(|| self.journal.query(&query)).await?;
            for row in &page.items {
                let event = Event::in_row(row).ok_or_else(|| no_envelope(row))?;
                let more = Facts::of(&event);
                facts = Some(facts.unwrap_or_default().join(more));
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let unwritable = |_| row::Unreadable(order.as_str().to_owned());
        let row = facts.map(|facts| row::row(self.serving, order, &facts, 0));
        let row = row.transpose().map_err(unwritable)?;
        Ok(row.map(|row| said(&row.attributes)))
    }
}

/// What a row says, without its key, and how often it was written.
fn said(row: &Item) -> Item {
    let mut said = row.clone();
    for name in ["pk", "sk", "version"] {
        said.remove(name);
    }
    said
}

fn part(number: u32) -> Part {
    Part {
        number,
        of: PARTS,
        ..Part::default()
    }
}

impl Difference {
    /// What differs, in words: each attribute with what the row says and what the journal adds up to.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let (Some(listed), Some(journal)) = (&self.listed, &self.journal) else {
            return vec![match self.listed {
                Some(_) => "the journal has no event of it".to_owned(),
                None => "it has no row".to_owned(),
            }];
        };
        let listed = said(listed);
        let names: BTreeSet<&String> = listed.keys().chain(journal.keys()).collect();
        let shown = |value: Option<&Value>| match value {
            Some(Value::S(text)) => text.clone(),
            Some(other) => format!("{other:?}"),
            None => "nothing".to_owned(),
        };
        names
            .into_iter()
            .filter(|name| listed.get(*name) != journal.get(*name))
            .map(|name| {
                let (is, should) = (shown(listed.get(name)), shown(journal.get(name)));
                format!("{name} is {is}, and should be {should}")
            })
            .collect()
    }
}
