//! The past, as the journal holds it: every event once, by the hour in which it happened.
//!
//! The journal's index `feed` has sixteen partitions an hour. They are read side by side, page by page: no more than a page of
//! each lies in memory, however much happened in an hour.

use anyhow::{Context, Result};
use dashpot::{Item, Query, SHARDS, Store, Value, hour};
use futures_util::future::try_join_all;

/// An hour, in milliseconds.
const HOUR: u64 = 60 * 60 * 1000;

/// An event as the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The event's id.
    pub id: String,
    /// Its name.
    pub event_type: String,
    /// The version of its payload's schema.
    pub version: Option<i64>,
    /// What it is about.
    pub subject: String,
    /// When it happened, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// The customer's request.
    pub correlation_id: Option<String>,
    /// The customer.
    pub customer: Option<String>,
    /// The envelope, byte for byte.
    pub body: String,
}

/// Which events of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Since when, in milliseconds since the Unix epoch.
    pub from: u64,
    /// Until when, exclusive.
    pub until: u64,
    /// Of these types; all where none is named.
    pub types: Vec<String>,
    /// About this order alone.
    pub order: Option<String>,
}

impl Chosen {
    fn takes(&self, event: &Recorded) -> bool {
        (self.from..self.until).contains(&event.timestamp)
            && (self.types.is_empty() || self.types.contains(&event.event_type))
            && self
                .order
                .as_ref()
                .is_none_or(|order| *order == event.subject)
    }
}

/// The hours that a span touches, each by its first moment. Moments are milliseconds since the Unix epoch; the last is
/// exclusive.
pub fn hours(from: u64, until: u64) -> impl Iterator<Item = u64> {
    (from / HOUR..)
        .map(|n| n * HOUR)
        .take_while(move |hour| *hour < until)
}

/// Reads the chosen events of an hour, and hands them over a page at a time, in no order.
///
/// # Errors
///
/// The journal does not answer, or whoever takes the events says so.
pub async fn of_hour<S: Store>(
    journal: &S,
    chosen: &Chosen,
    start: u64,
    take: &impl AsyncFn(Vec<Recorded>) -> Result<()>,
) -> Result<()> {
    let of_shard = async |shard: u32| {
        let partition = ("feed", format!("{}#{shard}", hour(start)));
        pages(journal, Query::index("feed", partition), chosen, take).await
    };
    try_join_all((0..SHARDS).map(of_shard)).await.map(drop)
}

/// Reads the chosen events of the order that is chosen, in order.
///
/// # Errors
///
/// As [`of_hour`].
pub async fn of_order<S: Store>(
    journal: &S,
    chosen: &Chosen,
    order: &str,
    take: &impl AsyncFn(Vec<Recorded>) -> Result<()>,
) -> Result<()> {
    let query = Query::partition(format!("order#{order}"));
    pages(journal, query, chosen, take).await
}

async fn pages<S: Store>(
    journal: &S,
    mut query: Query,
    chosen: &Chosen,
    take: &impl AsyncFn(Vec<Recorded>) -> Result<()>,
) -> Result<()> {
    loop {
        let page = journal.query(&query).await;
        let page = page.context("cannot read the journal")?;
        let events = page
            .items
            .iter()
            .map(recorded)
            .collect::<Result<Vec<_>>>()?;
        let chosen: Vec<Recorded> = events.into_iter().filter(|it| chosen.takes(it)).collect();
        if !chosen.is_empty() {
            take(chosen).await?;
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(());
        }
    }
}

fn recorded(row: &Item) -> Result<Recorded> {
    let text = |name: &str| Some(row.get(name)?.as_str()?.to_owned());
    let read = || {
        let (pk, sk) = (text("pk")?, text("sk")?);
        Some(Recorded {
            id: sk.split_once('#')?.1.to_owned(),
            event_type: text("type")?,
            version: row.get("version").and_then(Value::as_i64),
            subject: pk.strip_prefix("order#")?.to_owned(),
            timestamp: row.get("timestamp")?.as_i64()?.try_into().ok()?,
            correlation_id: text("correlationId"),
            customer: text("customer"),
            body: text("body")?,
        })
    };
    read().context("a row of the journal is not as the journal writes it")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn chosen(from: u64, until: u64) -> Chosen {
        Chosen {
            from,
            until,
            types: Vec::new(),
            order: None,
        }
    }

    #[test]
    fn the_hours_are_those_that_the_span_touches() {
        let hours = |from, until| hours(from, until).collect::<Vec<_>>();
        assert_eq!(hours(0, 0), [0; 0]);
        assert_eq!(hours(5, 6), [0]);
        assert_eq!(hours(HOUR - 1, HOUR), [0]);
        assert_eq!(hours(HOUR - 1, HOUR + 1), [0, HOUR]);
        assert_eq!(hours(HOUR, 3 * HOUR), [HOUR, 2 * HOUR]);
    }

    #[test]
    fn an_event_is_chosen_by_moment_type_and_order() {
        let event = Recorded {
            id: "i".into(),
            event_type: "order.placed".into(),
            version: Some(2),
            subject: "o".into(),
            timestamp: 10,
            correlation_id: None,
            customer: None,
            body: "{}".into(),
        };
        assert!(chosen(10, 11).takes(&event));
        assert!(!chosen(11, 12).takes(&event) && !chosen(9, 10).takes(&event));
        let of = |types: &[&str], order: Option<&str>| Chosen {
            types: types.iter().map(|it| (*it).to_owned()).collect(),
            order: order.map(str::to_owned),
            ..chosen(0, 100)
        };
        assert!(of(&["order.placed", "x"], Some("o")).takes(&event));
        assert!(!of(&["x"], None).takes(&event) && !of(&[], Some("p")).takes(&event));
    }

    #[test]
    fn a_row_of_the_journal_is_an_event() {
        let row = |sk: &str| {
            Item::from([
                ("pk".to_owned(), "order#o".into()),
                ("sk".to_owned(), sk.into()),
                ("type".to_owned(), "order.placed".into()),
                ("version".to_owned(), 2_i64.into()),
                ("timestamp".to_owned(), 17_i64.into()),
                ("body".to_owned(), "{}".into()),
            ])
        };
        let event = recorded(&row("0000000000017#e#1")).unwrap();
        assert_eq!((event.id.as_str(), event.timestamp), ("e#1", 17));
        assert!(recorded(&row("17")).is_err());
    }
}
