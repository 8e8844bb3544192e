//! What an event adds to which rows.
//!
//! Rows: `day#{yyyy-mm-dd}#{metric}#{shard}` with `value`, one partition a shard: one row takes 500 transactional
//! writes a second. A day's metric is the sum over its shards. `seen#{event id}` stays for ever: a replay of last
//! year's events must not count them twice.

use dashpot::{Context, Effects, Envelope, Failure, Handler, Key, Row, Write, day, shard};
use serde_json::value::RawValue;

use crate::metric::metrics;

/// What analytics takes: every event, known or not. It parks only what is no envelope.
pub type Anything = Envelope<Box<RawValue>>;

/// The handler: it decides, and holds nothing.
#[derive(Debug, Clone, Copy)]
pub struct Analytics;

impl Handler<Anything> for Analytics {
    type Output = Effects;

    async fn handle(&self, event: Anything, _: &Context) -> Result<Effects, Failure> {
        let id = &event.metadata.id;
        let (day, shard) = (day(event.metadata.timestamp), shard(id));
        let adds = metrics(&event).into_iter().map(|(metric, amount)| {
            Write::update(Key::new(format!("day#{day}#{metric}#{shard}"))).add("value", amount)
        });
        Ok(Effects::none()
            .once(Row::new(Key::new(format!("seen#{id}"))))
            .writes(adds))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use dashpot::{Consumer, Invocation, Value};
    use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};

    use super::*;

    fn placed(id: &str, timestamp: u64) -> String {
        format!(
            r#"{{"type":"order.placed","payload":{{"orderId":"o","userId":"u","total":{{"amount":100,"currency":"EUR"}},"items":[]}},"metadata":{{"id":"{id}","timestamp":{timestamp},"version":2}}}}"#
        )
    }

    /// Handles the bodies as one batch, and says which are parked.
    async fn run(store: &Arc<MemoryStore>, bodies: &[String]) -> Vec<String> {
        let queue = RecordingQueue::new();
        let consumer = Consumer::<_, Anything>::new("analytics", Analytics)
            .recovering(&queue)
            .atomic(store.clone())
            .log_to(|_| {});
        let deliveries: Vec<Delivery> = bodies
            .iter()
            .enumerate()
            .map(|(n, body)| Delivery::new(format!("m-{n}"), body))
            .collect();
        let response = consumer
            .handle_batch(&sqs_event("analytics", &deliveries), &Invocation::default())
            .await
            .unwrap();
        assert!(response.batch_item_failures.is_empty());
        queue
            .parked()
            .into_iter()
            .map(|parked| parked.body)
            .collect()
    }

    /// The sums over the shards, by day and metric.
    fn sums(store: &MemoryStore) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for row in store.rows("day#") {
            let key = row["pk"].as_str().unwrap();
            let (metric, _) = key.trim_start_matches("day#").rsplit_once('#').unwrap();
            *sums.entry(metric.to_owned()).or_default() += row["value"].as_i64().unwrap();
        }
        sums
    }

    #[tokio::test]
    async fn a_day_is_the_sum_over_its_shards() {
        let store = Arc::new(MemoryStore::new());
        let today: Vec<String> = (0..40)
            .map(|n| placed(&format!("e-{n}"), 1_732_464_000_000))
            .collect();
        run(&store, &today).await;
        run(
            &store,
            &[
                placed("late", 1_732_492_799_999),
                placed("next", 1_732_492_800_000),
            ],
        )
        .await;
        let expected = BTreeMap::from([
            ("2024-11-24#events.order.placed".to_owned(), 41),
            ("2024-11-24#orders".to_owned(), 41),
            ("2024-11-24#revenue.EUR".to_owned(), 4100),
            ("2024-11-25#events.order.placed".to_owned(), 1),
            ("2024-11-25#orders".to_owned(), 1),
            ("2024-11-25#revenue.EUR".to_owned(), 100),
        ]);
        assert_eq!(sums(&store), expected);
    }

    #[tokio::test]
    async fn an_event_counts_once_for_ever_at_one_round_trip_a_message() {
        let store = Arc::new(MemoryStore::new());
        let event = placed("e-1", 1_732_464_000_000);
        run(&store, &[event.clone(), event.clone()]).await;
        run(&store, &[event]).await;
        assert_eq!(sums(&store)["2024-11-24#orders"], 1);
        assert_eq!(store.round_trips(), 3);
        let seen = store.row(&Key::new("seen#e-1")).unwrap();
        assert!(!seen.contains_key("expiresAt"));
        assert_eq!(seen["cause"], Value::from("e-1"));
    }

    #[tokio::test]
    async fn an_answer_that_was_lost_counts_once_when_the_message_comes_back() {
        let store = Arc::new(MemoryStore::new());
        store.lose_next_answer();
        let queue = RecordingQueue::new();
        let consumer = Consumer::<_, Anything>::new("analytics", Analytics)
            .recovering(&queue)
            .atomic(store.clone())
            .log_to(|_| {});
        let event = sqs_event("analytics", &[Delivery::new("m", placed("e-1", 0))]);
        for failed in [1, 0] {
            let response = consumer
                .handle_batch(&event, &Invocation::default())
                .await
                .unwrap();
            assert_eq!(response.batch_item_failures.len(), failed);
        }
        assert_eq!(sums(&store)["1970-01-01#orders"], 1);
    }

    #[tokio::test]
    async fn only_what_is_no_envelope_is_parked() {
        let store = Arc::new(MemoryStore::new());
        let bodies = [
            "not json",
            "{}",
            r#"{"type":"order.placed","payload":"?","metadata":{"version":2}}"#,
            r#"{"type":"comet seen","payload":null,"metadata":{}}"#,
        ]
        .map(str::to_owned);
        assert_eq!(run(&store, &bodies).await, ["not json", "{}"]);
        let expected = BTreeMap::from([
            ("1970-01-01#events.order.placed".to_owned(), 1),
            ("1970-01-01#events.other".to_owned(), 1),
            ("1970-01-01#events.unreadable".to_owned(), 1),
        ]);
        assert_eq!(sums(&store), expected);
    }
}
