//! Every event as it came, as newline-delimited JSON in objects that are never changed.
//!
//! An object `events/day={yyyy-mm-dd}/{name}.ndjson` holds the events of one chunk that fall on that day, a line each,
//! sorted by id. Its name is a UUID of their ids: the same events are the same object with the same bytes, whoever
//! writes it and however often.
//!
//! It is put *before* the chunk is committed, and the transaction that counts the events says so in a row
//! `objects#{yyyy-mm-dd}` / `{name}`. So:
//! - An object with a row is part of the archive. Each event that was counted lies in exactly one of them, as the
//!   transaction that puts its `seen` row puts that object's, and no other can: the archive's lines are the events, once
//!   each, after duplicates, crashes and replays.
//! - An object without a row is of a chunk that was not committed as it was: the process ended in between, or some of
//!   its events had been handled before. What is in it is in the archive as well, in other company, or still to come.
//!   Who reads the bucket without the table drops repeated ids, and reads the same events.
//!
//! One object an event would need no row, and cost a request for each; a name by batch, or by time, would change with
//! every other batching.

use std::collections::BTreeMap;
use std::future::Future;

use dashpot::{Key, Query, Row, Store, StoreError, Write, day};
use uuid::Uuid;

use crate::handler::Anything;

/// Where objects lie.
pub trait Archive: Send + Sync {
    /// Puts an object, whatever was there.
    ///
    /// # Errors
    /// [`NotArchived`] when it is not certain that it lies there.
    fn put(&self, key: &str, body: String) -> impl Future<Output = Result<(), NotArchived>> + Send;
}

/// The object may not lie there. Never a matter of what is in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the archive does not take an object: {0}")]
pub struct NotArchived(pub String);

/// The events of one day of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The day, in UTC.
    pub day: String,
    /// A UUID of the events' ids.
    pub name: String,
    /// The events, by id.
    pub lines: BTreeMap<String, String>,
}

impl Object {
    /// The objects of a chunk, one for each day.
    ///
    /// # Errors
    /// An event cannot be written as JSON.
    pub(crate) fn of(events: &[Anything]) -> Result<Vec<Self>, serde_json::Error> {
        let mut days: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for event in events {
            let lines = days.entry(day(event.metadata.timestamp)).or_default();
            lines.insert(event.metadata.id.clone(), line(event)?);
        }
        let object = |(day, lines): (String, BTreeMap<String, String>)| {
            let ids: Vec<&str> = lines.keys().map(String::as_str).collect();
            let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, ids.join("\n").as_bytes());
            let name = name.to_string();
            Self { day, name, lines }
        };
        Ok(days.into_iter().map(object).collect())
    }

    /// Where it lies in the bucket.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.day, &self.name)
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> String {
        self.lines.values().flat_map(|line| [line, "\n"]).collect()
    }

    /// The row that makes it part of the archive.
    pub(crate) fn row(&self) -> Write {
        let key = Key::of(partition(&self.day), self.name.as_str());
        let events = i64::try_from(self.lines.len()).unwrap_or(i64::MAX);
        Write::put(Row::new(key).set("events", events))
    }
}

/// An event as a line of an object.
///
/// # Errors
/// It cannot be written as JSON.
pub fn line(event: &Anything) -> Result<String, serde_json::Error> {
    // The payload is what it was byte for byte, and may have line breaks: between its parts, as there are none within a
    // string of JSON.
    Ok(serde_json::to_string(event)?.replace(['\n', '\r'], " "))
}

/// The keys of the objects of a day that are part of the archive.
///
/// # Errors
/// [`StoreError`] when the table does not answer.
pub async fn keys<S: Store>(store: &S, day: &str) -> Result<Vec<String>, StoreError> {
    let rows = Query::partition(partition(day)).all(store).await?;
    let names = rows.iter().filter_map(|row| row.get("sk")?.as_str());
    Ok(names.map(|name| key(day, name)).collect())
}

fn partition(day: &str) -> String {
    format!("objects#{day}")
}

/// Where the object of that day and name lies in the bucket.
#[must_use]
pub fn key(day: &str, name: &str) -> String {
    format!("events/day={day}/{name}.ndjson")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn event(id: &str, timestamp: u64) -> Anything {
        let json = format!(
            "{{\"type\":\"a.b\",\"payload\":{{\n\"x\": \"y\\n\"\r\n}},\"metadata\":{{\"id\":\"{id}\",\"timestamp\":{timestamp},\"correlationId\":\"c\",\"version\":1,\"hops\":0}}}}"
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn the_same_events_are_the_same_object_in_whatever_order() {
        let (a, b) = (|| event("a", 5), || event("b", 7));
        let one = Object::of(&[a(), b()]).unwrap();
        assert_eq!(one, Object::of(&[b(), a()]).unwrap());
        assert_ne!(one[0].key(), Object::of(&[a()]).unwrap()[0].key());
        assert!(one[0].key().starts_with("events/day=1970-01-01/"));
    }

    #[test]
    fn an_event_is_a_line_and_a_day_an_object() {
        let objects = Object::of(&[event("a", 0), event("b", 86_400_000), event("c", 1)]).unwrap();
        let lines: Vec<usize> = objects.iter().map(|it| it.body().lines().count()).collect();
        assert_eq!(lines, [2, 1]);
        for line in objects[0].body().lines() {
            let read: Anything = serde_json::from_str(line).unwrap();
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(read.payload.get()).unwrap()["x"],
                "y\n"
            );
        }
    }
}
