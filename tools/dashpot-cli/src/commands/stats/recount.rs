//! Whether the totals, the archive and the journal say the same.
//!
//! The journal is read once, hour by hour, and counted by the rule that analytics counts by. Of the events themselves no more is
//! kept than how many there are and a sum of their digests, so that a year takes no more memory than an hour: it is the same in
//! whatever order they come, and an event that is there twice, missing or another changes it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use analytics::archive;
use analytics::handler::Anything;
use analytics::totals::{self, Period, Totals};
use anyhow::{Context, Result};
use dashpot::{Store, day};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use uuid::Uuid;

use crate::feed::{self, Chosen, Recorded};

/// How often what differs is looked at again: events may be on their way.
const LOOKS: u32 = 4;

/// How many objects are fetched at once.
const AT_ONCE: usize = 8;

/// What a recount has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Events of the journal.
    pub events: u64,
    /// Events of the archive.
    pub archived: u64,
    /// Hours and days that differ.
    pub differences: Vec<Difference>,
}

/// An hour or a day that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `2026-11-24T13`, or `2026-11-24`.
    pub period: String,
    /// In which ways.
    pub differs: Vec<String>,
}

/// Where everything is written down.
#[derive(Debug)]
pub struct Books<J, A, F> {
    /// The journal's table.
    pub journal: J,
    /// The table of analytics.
    pub analytics: A,
    /// Fetches an object of the archive by its key; none where there is no such object.
    pub object: F,
}

/// Lines, in no order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Lines {
    count: u64,
    digests: u128,
}

impl Lines {
    fn add(&mut self, line: &str) {
        self.count += 1;
        let digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, line.as_bytes());
        self.digests = self.digests.wrapping_add(digest.as_u128());
    }
}

/// By hour: the lines of its events.
type Hours = BTreeMap<String, Lines>;

/// By hour or day: what is counted.
type Counted = BTreeMap<String, Totals>;

impl<J, A, F> Books<J, A, F>
where
    J: Store,
    A: Store,
    F: AsyncFn(&str) -> Result<Option<String>>,
{
    /// Compares the hours of a span of whole hours, and the sums of the days that it touches. Moments are milliseconds since the
    /// Unix epoch, the last one exclusive.
    ///
    /// What differs is looked at again, for `patience` at a time: an event reaches one before the other.
    ///
    /// # Errors
    /// Somebody does not answer.
    pub async fn recount(&self, from: u64, until: u64, patience: Duration) -> Result<Report> {
        let mut report = self.look(feed::hours(from, until).collect()).await?;
        for _ in 1..LOOKS {
            if report.differences.is_empty() {
                break;
            }
            tokio::time::sleep(patience).await;
            let differs = |hour: &u64| {
                let name = Period::Hour.of(*hour);
                let mut differences = report.differences.iter();
                differences.any(|it| name.starts_with(&it.period))
            };
            let again = feed::hours(from, until).filter(differs).collect();
            report.differences = self.look(again).await?.differences;
        }
        Ok(report)
    }

    async fn look(&self, hours: Vec<u64>) -> Result<Report> {
        let names: Vec<String> = hours.iter().map(|it| Period::Hour.of(*it)).collect();
        let mut days: Vec<String> = hours.iter().map(|it| day(*it)).collect();
        days.dedup();
        let (filed, recounted) = self.filed(&hours).await?;
        let mut archived = self.archived(&days).await?;
        archived.retain(|hour, _| names.contains(hour));
        let counted = totals::read(&self.analytics, Period::Hour, &names).await?;
        let mut differences: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut differ = |period: &String, words: Vec<String>| {
            if !words.is_empty() {
                differences.entry(period.clone()).or_default().extend(words);
            }
        };
        for name in &names {
            let lines = |hours: &Hours| hours.get(name).copied().unwrap_or_default();
            differ(name, apart(lines(&archived), lines(&filed)));
            differ(name, unequal(&counted, &recounted, name));
        }
        let (counted, summed) = self.days(&days).await?;
        for name in &days {
            differ(name, unequal(&counted, &summed, name));
        }
        let count = |hours: Hours| hours.values().map(|it| it.count).sum();
        let differences = differences.into_iter();
        Ok(Report {
            events: count(filed),
            archived: count(archived),
            differences: differences
                .map(|(period, differs)| Difference { period, differs })
                .collect(),
        })
    }

    /// The journal's events, and what they add up to.
    async fn filed(&self, hours: &[u64]) -> Result<(Hours, Counted)> {
        let found = RefCell::new((Hours::new(), Counted::new()));
        let take = async |page: Vec<Recorded>| -> Result<()> {
            let (lines, counted) = &mut *found.borrow_mut();
            for event in page {
                let event = read(&event.body).context("in the journal")?;
                totals::add(counted, Period::Hour, &event);
                add(lines, &event)?;
            }
            Ok(())
        };
        for hour in hours {
            let chosen = Chosen {
                from: *hour,
                until: hour + Period::Hour.millis(),
                types: Vec::new(),
                order: None,
            };
            feed::of_hour(&self.journal, &chosen, *hour, &take).await?;
        }
        Ok(found.into_inner())
    }

    /// The archive's events.
    async fn archived(&self, days: &[String]) -> Result<Hours> {
        let mut lines = Hours::new();
        for day in days {
            let keys = archive::keys(&self.analytics, day).await?;
            let fetched = stream::iter(&keys).map(|key| (self.object)(key));
            let mut fetched = fetched.buffer_unordered(AT_ONCE);
            while let Some(body) = fetched.try_next().await? {
                // One that is not there holds nothing, and its events are missing.
                for line in body.as_deref().unwrap_or_default().lines() {
                    add(&mut lines, &read(line).context("in the archive")?)?;
                }
            }
        }
        Ok(lines)
    }

    /// What is counted by day, and the sums of what is counted by hour.
    async fn days(&self, days: &[String]) -> Result<(Counted, Counted)> {
        let counted = totals::read(&self.analytics, Period::Day, days).await?;
        let hours = days
            .iter()
            .flat_map(|day| (0..24).map(move |hour| format!("{day}T{hour:02}")));
        let hours: Vec<String> = hours.collect();
        let mut summed = Counted::new();
        for (hour, totals) in totals::read(&self.analytics, Period::Hour, &hours).await? {
            let sums = summed.entry(hour[..10].to_owned()).or_default();
            for (metric, amount) in totals {
                *sums.entry(metric).or_default() += amount;
            }
        }
        Ok((counted, summed))
    }
}

fn read(text: &str) -> Result<Anything> {
    serde_json::from_str(text).context("what should be an event is none")
}

fn add(lines: &mut Hours, event: &Anything) -> Result<()> {
    let hour = Period::Hour.of(event.metadata.timestamp);
    lines.entry(hour).or_default().add(&archive::line(event)?);
    Ok(())
}

/// What is archived beside what the journal holds.
fn apart(archived: Lines, filed: Lines) -> Vec<String> {
    if archived.count != filed.count {
        let (archived, filed) = (archived.count, filed.count);
        return vec![format!(
            "{archived} events in the archive, {filed} in the journal"
        )];
    }
    let words = || {
        format!(
            "the archive holds {} events, not all of them the journal's",
            filed.count
        )
    };
    (archived != filed).then(words).into_iter().collect()
}

/// Each metric that is counted in another way than it adds up.
fn unequal(counted: &Counted, expected: &Counted, period: &str) -> Vec<String> {
    let nothing = Totals::new();
    let [counted, expected] = [counted, expected].map(|it| it.get(period).unwrap_or(&nothing));
    let metrics: std::collections::BTreeSet<_> = counted.keys().chain(expected.keys()).collect();
    let words = metrics.into_iter().filter_map(|metric| {
        let [counted, expected] = [counted, expected].map(|it| it.get(metric).copied());
        let [counted, expected] = [counted, expected].map(Option::unwrap_or_default);
        let words = || format!("{metric}: {counted} counted, {expected} added up");
        (counted != expected).then(words)
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::{Arc, Mutex};

    use analytics::archive::{Archive, NotArchived};
    use dashpot::{Invocation, Key, Recovery, Write};
    use dashpot_testing::{Delivery, Index, MemoryStore, RecordingQueue, sqs_event};

    use super::*;

    const HOUR: u64 = 3_600_000;

    /// 2024-11-24T12:00:00Z.
    const NOON: u64 = 1_732_449_600_000;

    #[derive(Debug, Default)]
    struct Shelf(Mutex<BTreeMap<String, String>>);

    impl Archive for &Shelf {
        async fn put(&self, key: &str, body: String) -> Result<(), NotArchived> {
            self.0.lock().unwrap().insert(key.to_owned(), body);
            Ok(())
        }
    }

    /// Journal and analytics, as they really are, over tables in memory.
    struct Shop {
        journal: Arc<MemoryStore>,
        analytics: Arc<MemoryStore>,
        shelf: Shelf,
        queue: RecordingQueue,
    }

    impl Shop {
        fn new() -> Self {
            let feed = Index::by_text("feed", "feed", "sk");
            Self {
                journal: Arc::new(MemoryStore::with_indexes([feed])),
                analytics: Arc::default(),
                shelf: Shelf::default(),
                queue: RecordingQueue::new(),
            }
        }

        async fn file(&self, events: &str) {
            let journal =
                journal::consumer(Arc::clone(&self.journal), &self.queue, Recovery::default());
            let answer = journal.log_to(|_| ());
            let answer = answer.handle_batch(events, &Invocation::default()).await;
            assert!(answer.unwrap().batch_item_failures.is_empty());
        }

        async fn count(&self, events: &str) {
            let (table, queue) = (Arc::clone(&self.analytics), &self.queue);
            let analytics =
                analytics::consumer(table, &self.shelf, queue, Recovery::default()).log_to(|_| ());
            let answer = analytics.handle_batch(events, &Invocation::default()).await;
            assert!(answer.unwrap().batch_item_failures.is_empty());
        }

        async fn recount(&self) -> Report {
            let books = Books {
                journal: Arc::clone(&self.journal),
                analytics: Arc::clone(&self.analytics),
                object: async |key: &str| Ok(self.shelf.0.lock().unwrap().get(key).cloned()),
            };
            let span = (NOON, NOON + 14 * HOUR);
            books.recount(span.0, span.1, Duration::ZERO).await.unwrap()
        }

        /// What differs, by period.
        async fn differs(&self) -> Vec<(String, String)> {
            let differences = self.recount().await.differences.into_iter();
            let words = differences.map(|it| (it.period, it.differs.join("; ")));
            words.collect()
        }
    }

    /// Orders by id and moment, as SQS hands them over.
    fn orders(orders: &[(&str, u64)]) -> String {
        let order = |(id, at): &(&str, u64)| {
            let body = format!(
                r#"{{"type":"order.placed","payload":{{"orderId":"o-{id}","userId":"u",
"total":{{"amount":100,"currency":"EUR"}},"items":[]}},"metadata":{{"id":"{id}","timestamp":{at},"correlationId":"c","version":2}}}}"#
            );
            Delivery::new(format!("m-{id}"), body)
        };
        sqs_event("any", &orders.iter().map(order).collect::<Vec<_>>())
    }

    /// Two orders at noon, one of an hour later, one of the next day.
    async fn shop() -> Shop {
        let shop = Shop::new();
        let events = orders(&[
            ("a", NOON),
            ("b", NOON + 1),
            ("c", NOON + HOUR),
            ("d", NOON + 13 * HOUR),
        ]);
        shop.file(&events).await;
        shop.count(&events).await;
        shop
    }

    fn owned(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(period, words): &(&str, &str)| ((*period).to_owned(), (*words).to_owned());
        expected.iter().map(owned).collect()
    }

    #[tokio::test]
    async fn what_both_were_told_is_equal_also_when_it_comes_again() {
        let shop = shop().await;
        let expected = Report {
            events: 4,
            archived: 4,
            differences: Vec::new(),
        };
        assert_eq!(shop.recount().await, expected);
        shop.count(&orders(&[("d", NOON + 13 * HOUR), ("a", NOON)]))
            .await;
        assert_eq!(shop.recount().await, expected);
    }

    #[tokio::test]
    async fn an_event_that_analytics_was_not_told_is_missed_in_its_hour() {
        let shop = shop().await;
        shop.file(&orders(&[("e", NOON + HOUR)])).await;
        let words = "1 events in the archive, 2 in the journal; events.order.placed: 1 counted, 2 added up; \
                     orders: 1 counted, 2 added up; revenue.EUR: 100 counted, 200 added up";
        assert_eq!(shop.differs().await, owned(&[("2024-11-24T13", words)]));
        shop.count(&orders(&[("e", NOON + HOUR)])).await;
        assert_eq!(shop.differs().await, []);
    }

    #[tokio::test]
    async fn a_total_that_is_off_is_told_by_hour_and_by_day() {
        let shop = shop().await;
        let more = Write::update(Key::of("days#2024-11#3", "25")).add("orders", 1);
        shop.analytics.commit(&[more]).await.unwrap();
        let day = ("2024-11-25", "orders: 2 counted, 1 added up");
        assert_eq!(shop.differs().await, owned(&[day]));
        let more = Write::update(Key::of("hours#2024-11-25#3", "01")).add("orders", 1);
        shop.analytics.commit(&[more]).await.unwrap();
        let hour = ("2024-11-25T01", "orders: 2 counted, 1 added up");
        assert_eq!(shop.differs().await, owned(&[hour]));
    }

    #[tokio::test]
    async fn an_object_that_is_gone_or_says_something_else_is_found() {
        let shop = shop().await;
        let objects = shop.shelf.0.lock().unwrap().clone();
        let (key, body) = objects.iter().find(|(key, _)| key.contains("25")).unwrap();
        let forged = body.replace("100", "999");
        shop.shelf.0.lock().unwrap().insert(key.clone(), forged);
        let other = "the archive holds 1 events, not all of them the journal's";
        assert_eq!(shop.differs().await, owned(&[("2024-11-25T01", other)]));
        shop.shelf.0.lock().unwrap().remove(key);
        let gone = "0 events in the archive, 1 in the journal";
        assert_eq!(shop.differs().await, owned(&[("2024-11-25T01", gone)]));
    }
}
