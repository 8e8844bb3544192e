//! What a chunk of events is: one object in S3 for each day, one row an hour and a day, and `seen#{event id}`, which
//! stays for ever: a replay of last year's events must not count them twice.

use dashpot::{BatchHandler, Context, Effects, Envelope, Failure, Key, MOST_WRITES, Row, shard};
use futures_util::future::try_join_all;
use serde_json::value::RawValue;

use crate::archive::{Archive, Object};
use crate::totals::adds;

/// What analytics takes: every event, known or not. It parks only what is no envelope.
pub type Anything = Envelope<Box<RawValue>>;

/// The handler.
#[derive(Debug, Clone)]
pub struct Analytics<A> {
    pub(crate) archive: A,
}

impl<A: Archive> BatchHandler<Anything> for Analytics<A> {
    type Output = Effects;

    async fn handle(&self, events: &[Anything], cx: &Context) -> Result<Effects, Failure> {
        let objects = Object::of(events)?;
        let effects = Effects::none()
            .writes(adds(events, shard(&cx.event_id)))
            .writes(objects.iter().map(Object::row));
        if events.len() + effects.written().len() > MOST_WRITES {
            // Before anything is archived: events of many hours, as a broken clock tells them, are taken apart.
            return Err(Failure::permanent("the chunk is of too many hours"));
        }
        // Before the commit: see `archive`.
        let put = async |it: &Object| self.archive.put(&it.key(), it.body()).await;
        try_join_all(objects.iter().map(put)).await?;
        Ok(effects)
    }

    fn once(&self, event: &Anything, _: &Context) -> Row {
        Row::new(Key::new(format!("seen#{}", event.metadata.id)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use dashpot::{Invocation, Recovery, Value};
    use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};

    use super::*;
    use crate::archive::NotArchived;
    use crate::totals::{Period, Totals, read};

    const NOON: u64 = 1_732_449_600_000;

    /// Objects by key, and whether the next is refused.
    #[derive(Default)]
    struct Shelf {
        objects: Mutex<BTreeMap<String, String>>,
        is_away: Mutex<bool>,
    }

    impl Archive for &Shelf {
        async fn put(&self, key: &str, body: String) -> Result<(), NotArchived> {
            if *self.is_away.lock().unwrap() {
                return Err(NotArchived("away".into()));
            }
            self.objects.lock().unwrap().insert(key.to_owned(), body);
            Ok(())
        }
    }

    #[derive(Default)]
    struct Shop {
        store: Arc<MemoryStore>,
        shelf: Shelf,
        queue: RecordingQueue,
    }

    impl Shop {
        /// Handles the bodies as one batch; says how many come back.
        async fn handle(&self, bodies: &[String]) -> usize {
            let (store, archive) = (Arc::clone(&self.store), &self.shelf);
            let queue = &self.queue;
            let consumer =
                crate::consumer(store, archive, queue, Recovery::default()).log_to(|_| {});
            let deliveries: Vec<Delivery> = bodies
                .iter()
                .enumerate()
                .map(|(n, body)| Delivery::new(format!("m-{n}"), body))
                .collect();
            let event = sqs_event("analytics", &deliveries);
            let response = consumer.handle_batch(&event, &Invocation::default()).await;
            response.unwrap().batch_item_failures.len()
        }

        async fn totals(&self, period: Period, moment: u64) -> Totals {
            let names = period.between(moment, moment);
            let mut totals = read(&self.store, period, &names).await.unwrap();
            totals.remove(&names[0]).unwrap_or_default()
        }

        /// How many lines are archived, and how many objects there are that are not.
        fn archived(&self) -> (usize, usize) {
            let objects = self.shelf.objects.lock().unwrap();
            let rows = self.store.rows("objects#");
            let lines = rows.iter().map(|row| {
                let [pk, sk] = ["pk", "sk"].map(|name| row[name].as_str().unwrap());
                let day = pk.trim_start_matches("objects#");
                objects[&crate::archive::key(day, sk)].lines().count()
            });
            (lines.sum(), objects.len() - rows.len())
        }
    }

    fn placed(id: &str, timestamp: u64) -> String {
        format!(
            r#"{{"type":"order.placed","payload":{{"orderId":"o","userId":"u","total":{{"amount":100,"currency":"EUR"}},"items":[]}},"metadata":{{"id":"{id}","timestamp":{timestamp},"version":2}}}}"#
        )
    }

    fn many(from: usize, to: usize) -> Vec<String> {
        (from..to)
            .map(|n| placed(&format!("e-{n}"), NOON))
            .collect()
    }

    fn orders(n: i64) -> Totals {
        let metrics = [
            ("events.order.placed", n),
            ("orders", n),
            ("revenue.EUR", 100 * n),
        ];
        metrics.map(|(name, n)| (name.to_owned(), n)).into()
    }

    #[tokio::test]
    async fn ninety_events_are_one_transaction_and_one_object() {
        let shop = Shop::default();
        assert_eq!(shop.handle(&many(0, 90)).await, 0);
        assert_eq!(shop.store.round_trips(), 1);
        assert_eq!(shop.archived(), (90, 0));
        assert_eq!(shop.totals(Period::Day, NOON).await, orders(90));
        assert_eq!(shop.totals(Period::Hour, NOON).await, orders(90));
    }

    #[tokio::test]
    async fn each_hour_and_each_day_has_its_own() {
        let shop = Shop::default();
        let (hour, day) = (3_600_000, 24 * 3_600_000);
        let at = [NOON, NOON + hour, NOON + day];
        let bodies: Vec<String> = at.iter().map(|at| placed(&at.to_string(), *at)).collect();
        assert_eq!(shop.handle(&bodies).await, 0);
        assert_eq!(shop.totals(Period::Hour, NOON).await, orders(1));
        assert_eq!(shop.totals(Period::Day, NOON).await, orders(2));
        assert_eq!(shop.totals(Period::Day, NOON + day).await, orders(1));
        assert_eq!(shop.archived(), (3, 0));
    }

    #[tokio::test]
    async fn an_event_counts_once_for_ever_and_is_archived_once() {
        let shop = Shop::default();
        shop.handle(&many(0, 60)).await;
        assert_eq!(shop.handle(&many(30, 90)).await, 0);
        assert_eq!(shop.handle(&many(0, 90)).await, 0);
        assert_eq!(shop.totals(Period::Day, NOON).await, orders(90));
        // Twice with some that had been counted, once without them.
        assert_eq!(shop.archived(), (90, 2));
        let seen = shop.store.row(&Key::new("seen#e-1")).unwrap();
        assert!(!seen.contains_key("expiresAt"));
        assert_eq!(seen["cause"], Value::from("e-1"));
    }

    #[tokio::test]
    async fn an_answer_that_was_lost_counts_once() {
        let shop = Shop::default();
        shop.store.lose_next_answer();
        assert_eq!(shop.handle(&many(0, 90)).await, 0);
        assert_eq!(shop.totals(Period::Day, NOON).await, orders(90));
        assert_eq!(shop.archived().0, 90);
    }

    #[tokio::test]
    async fn nothing_is_counted_that_is_not_archived() {
        let shop = Shop::default();
        *shop.shelf.is_away.lock().unwrap() = true;
        assert_eq!(shop.handle(&many(0, 90)).await, 90);
        assert!(shop.store.rows("seen#").is_empty() && shop.queue.parked().is_empty());
        *shop.shelf.is_away.lock().unwrap() = false;
        assert_eq!(shop.handle(&many(0, 90)).await, 0);
        assert_eq!(shop.archived(), (90, 0));
    }

    #[tokio::test]
    async fn events_of_many_hours_are_taken_apart_before_anything_is_archived() {
        let shop = Shop::default();
        let bodies: Vec<String> = (0..90)
            .map(|n| placed(&format!("e-{n}"), n * 3_600_000))
            .collect();
        assert_eq!(shop.handle(&bodies).await, 0);
        assert_eq!(shop.store.rows("seen#").len(), 90);
        assert_eq!(shop.archived(), (90, 0));
        assert!(shop.store.round_trips() <= 4);
    }

    #[tokio::test]
    async fn only_what_is_no_envelope_is_parked() {
        let shop = Shop::default();
        let bodies = [
            "not json",
            "{}",
            r#"{"type":"order.placed","payload":"?","metadata":{"version":2}}"#,
            r#"{"type":"comet seen","payload":null,"metadata":{}}"#,
        ];
        assert_eq!(shop.handle(&bodies.map(str::to_owned)).await, 0);
        let parked = shop.queue.parked();
        let bodies: Vec<&str> = parked.iter().map(|it| it.body.as_str()).collect();
        assert_eq!(bodies, ["not json", "{}"]);
        let expected = ["events.order.placed", "events.other", "events.unreadable"];
        let expected: Totals = expected.map(|name| (name.to_owned(), 1)).into();
        assert_eq!(shop.totals(Period::Day, 0).await, expected);
    }
}
