//! Totals by hour and by day: how they are written, and how they are read.
//!
//! Rows: `hours#{yyyy-mm-dd}#{shard}` / `{hh}` and `days#{yyyy-mm}#{shard}` / `{dd}`, each with an attribute a metric.
//! A chunk adds to one shard: one row an hour and one a day, whatever it counts. A row takes 500 transactional writes a
//! second, so the 16 shards of the present hour take as many chunks as there could ever be, and chunks that are
//! committed at the same time seldom meet at one row. An hour's total is the sum over its shards.

use std::collections::BTreeMap;
use std::str::FromStr;

use dashpot::{Item, Key, Query, SHARDS, Store, StoreError, Value, Write, day, hour};
use futures_util::future::try_join_all;
use serde::Serialize;

use crate::handler::Anything;
use crate::metric::metrics;

/// By metric: see [`metric`](crate::metric).
pub type Totals = BTreeMap<String, i64>;

/// What totals are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// Hours, in UTC: `2026-11-24T13`.
    Hour,
    /// Days, in UTC: `2026-11-24`.
    Day,
}

/// A text that is no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a period is `hour` or `day`")]
pub struct NoPeriod;

impl FromStr for Period {
    type Err = NoPeriod;

    fn from_str(text: &str) -> Result<Self, NoPeriod> {
        match text {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            _ => Err(NoPeriod),
        }
    }
}

impl Period {
    /// The name of the period that a moment lies in, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn of(self, moment: u64) -> String {
        let day = day(moment);
        match self {
            Self::Day => day,
            Self::Hour => format!("{day}T{}", &hour(moment)[8..]),
        }
    }

    /// How long it is, in milliseconds.
    #[must_use]
    pub fn millis(self) -> u64 {
        match self {
            Self::Hour => 3_600_000,
            Self::Day => 24 * 3_600_000,
        }
    }

    /// Where a period's row lies in a shard: what is before the last sign of its name, and what is behind it.
    fn key(self, name: &str, shard: u32) -> Key {
        let (rows, at) = match self {
            Self::Hour => ("hours", 10),
            Self::Day => ("days", 7),
        };
        let (partition, sort) = name.split_at(at);
        Key::of(format!("{rows}#{partition}#{shard}"), &sort[1..])
    }

    /// The periods from one moment to another, that of the latter included, and at most as many as a year has hours.
    #[must_use]
    pub fn between(self, from: u64, until: u64) -> Vec<String> {
        let step = self.millis();
        let first = from / step;
        let count = (until / step).saturating_sub(first).min(366 * 24 - 1) + 1;
        if until < from {
            return Vec::new();
        }
        (first..first + count).map(|n| self.of(n * step)).collect()
    }
}

/// Adds what an event counts for to its period: the whole of the counting, for whoever counts anew as well.
pub fn add(totals: &mut BTreeMap<String, Totals>, period: Period, event: &Anything) {
    let name = period.of(event.metadata.timestamp);
    let its = totals.entry(name).or_default();
    for (metric, amount) in metrics(event) {
        *its.entry(metric).or_default() += amount;
    }
}

/// The writes that add events to the rows of one shard.
pub(crate) fn adds(events: &[Anything], shard: u32) -> Vec<Write> {
    let mut writes = Vec::new();
    for period in [Period::Hour, Period::Day] {
        let mut totals = BTreeMap::new();
        for event in events {
            add(&mut totals, period, event);
        }
        writes.extend(totals.into_iter().map(|(name, totals)| {
            let row = Write::update(period.key(&name, shard));
            let add = |row: Write, (metric, amount): (String, i64)| row.add(&metric, amount);
            totals.into_iter().fold(row, add)
        }));
    }
    writes
}

/// The totals of those of the periods in which anything happened.
///
/// # Errors
/// [`StoreError`] when the table does not answer.
pub async fn read<S: Store>(
    store: &S,
    period: Period,
    names: &[String],
) -> Result<BTreeMap<String, Totals>, StoreError> {
    let mut partitions: BTreeMap<String, BTreeMap<String, &str>> = BTreeMap::new();
    for name in names {
        for shard in 0..SHARDS {
            let Key { pk, sk } = period.key(name, shard);
            partitions.entry(pk).or_default().insert(sk, name);
        }
    }
    let mut totals: BTreeMap<String, Totals> = BTreeMap::new();
    let partitions: Vec<_> = partitions.into_iter().collect();
    // A day of hours or a month of days at once: its shards.
    for shards in partitions.chunks(SHARDS as usize) {
        let read = |(pk, _): &(String, _)| Query::partition(pk).all(store);
        let rows = try_join_all(shards.iter().map(read)).await?;
        for ((_, wanted), rows) in shards.iter().zip(rows) {
            for row in rows {
                let sort = row.get("sk").and_then(Value::as_str).unwrap_or_default();
                if let Some(&name) = wanted.get(sort) {
                    sum(totals.entry(name.to_owned()).or_default(), &row);
                }
            }
        }
    }
    Ok(totals)
}

/// Adds a row to its period's totals.
fn sum(totals: &mut Totals, row: &Item) {
    for (metric, value) in row {
        if let Some(amount) = value.as_i64() {
            *totals.entry(metric.clone()).or_default() += amount;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use dashpot::{Key, Row};
    use dashpot_testing::MemoryStore;

    use super::*;

    const MIDNIGHT: u64 = 1_732_492_800_000;

    #[test]
    fn periods_have_names_that_sort() {
        assert_eq!(Period::Hour.of(MIDNIGHT - 1), "2024-11-24T23");
        assert_eq!(Period::Day.of(MIDNIGHT), "2024-11-25");
        assert_eq!(
            Period::Hour.between(MIDNIGHT - 1, MIDNIGHT),
            ["2024-11-24T23", "2024-11-25T00"]
        );
        assert_eq!(Period::Day.between(MIDNIGHT, MIDNIGHT), ["2024-11-25"]);
        assert!(Period::Day.between(MIDNIGHT, MIDNIGHT - 1).is_empty());
        assert_eq!(Period::Hour.between(0, u64::MAX).len(), 366 * 24);
    }

    #[tokio::test]
    async fn a_period_is_the_sum_over_its_shards_and_no_other_is_told() {
        let store = MemoryStore::new();
        for (shard, day, orders) in [
            (0, "2024-11-24", 1),
            (15, "2024-11-24", 2),
            (3, "2024-11-25", 4),
        ] {
            let row = Row::new(Period::Day.key(day, shard)).set("orders", i64::from(orders));
            store.commit(&[Write::put(row)]).await.unwrap();
        }
        let other = Row::new(Key::of("hours#2024-11-24#0", "24")).set("orders", 8_i64);
        store.commit(&[Write::put(other)]).await.unwrap();
        let days = |from, to| Period::Day.between(from, to);
        let (day, two) = (
            days(MIDNIGHT - 1, MIDNIGHT - 1),
            days(MIDNIGHT - 1, MIDNIGHT),
        );
        let orders = |n: i64| Totals::from([("orders".to_owned(), n)]);
        let first = ("2024-11-24".to_owned(), orders(3));
        let read_day = read(&store, Period::Day, &day).await.unwrap();
        assert_eq!(read_day, BTreeMap::from([first.clone()]));
        let read_two = read(&store, Period::Day, &two).await.unwrap();
        assert_eq!(
            read_two,
            BTreeMap::from([first, ("2024-11-25".to_owned(), orders(4))])
        );
    }
}
