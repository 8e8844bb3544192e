//! What was handled lately.
//!
//! A rebuild reads the journal, which has its own queue and may be behind: of an event that was handled here before the
//! rebuild began and is filed there after it has looked, only this tells. The row is an event's natural key as well.

use dashpot::{Item, Key, Query, Row, SHARDS, Value, day, shard};
use order_history::{Event, Facts};
use shop_events::OrderId;

/// How far back a rebuild looks, in milliseconds: 2 days. So far the journal may be behind.
pub const LOOK_BACK: u64 = 2 * DAY;

/// How long a row is kept, in milliseconds: for a rebuild that looks back, and takes its time.
const KEPT: u64 = 4 * DAY;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// The row of an event that is handled `now` (milliseconds since the Unix epoch).
///
/// # Errors
/// The facts cannot be written.
pub fn row(
    order: &OrderId,
    event: &Event,
    facts: &Facts,
    now: u64,
) -> Result<Row, serde_json::Error> {
    let id = &event.entry.id;
    Ok(Row::new(Key::of(partition(now, shard(id)), id.as_str()))
        .set("order", order.as_str())
        .set("facts", serde_json::to_string(facts)?)
        .set("expiresAt", (now + KEPT) / 1000))
}

/// What a row says of which order.
#[must_use]
pub fn read(row: &Item) -> Option<(OrderId, Facts)> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let facts = serde_json::from_str(text("facts")?).ok()?;
    Some((text("order")?.parse().ok()?, facts))
}

/// All that was handled from then until then (milliseconds since the Unix epoch), in whole days.
pub fn queries(from: u64, until: u64) -> impl Iterator<Item = Query> {
    let moments = std::iter::successors(Some(from), |moment| Some(moment + DAY));
    let moments = moments.take_while(move |moment| *moment < until);
    let mut days: Vec<String> = moments.chain([until]).map(day).collect();
    days.dedup();
    let partitions = days
        .into_iter()
        .flat_map(|day| (0..SHARDS).map(move |shard| format!("log#{day}#{shard}")));
    partitions.map(Query::partition)
}

fn partition(now: u64, shard: u32) -> String {
    format!("log#{}#{shard}", day(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_looked_at_once_and_none_is_left_out() {
        let days = |from, until| {
            let mut days: Vec<String> = queries(from, until)
                .map(|query| query.partition.1[4..14].to_owned())
                .collect();
            assert_eq!(days.len() % SHARDS as usize, 0);
            days.dedup();
            days
        };
        let noon = DAY / 2;
        assert_eq!(days(noon, noon), ["1970-01-01"]);
        assert_eq!(days(noon, DAY + 1), ["1970-01-01", "1970-01-02"]);
        assert_eq!(days(1, 2 * DAY), ["1970-01-01", "1970-01-02", "1970-01-03"]);
        assert_eq!(days(noon, DAY + noon + 1), ["1970-01-01", "1970-01-02"]);
    }
}
