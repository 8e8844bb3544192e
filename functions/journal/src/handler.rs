//! How an event becomes a row.
//!
//! Rows: `order#{subject}` / `{timestamp, 13 digits}#{event id}` with the envelope in `body`. The index `feed`
//! (`{yyyymmddhh}#{shard}`) gives an hour's events for a replay, the sparse index `customer` those of a customer.

use dashpot::{Context, Effects, Envelope, Failure, FailureExt, Handler, Key, Row, hour, shard};
use order_history::Event;
use serde_json::value::RawValue;
use shop_events::UserId;

/// What journal takes: every event, known or not.
pub type Anything = Envelope<Box<RawValue>>;

/// The last moment that has 13 digits, in the year 2286. Later ones, which only a broken clock tells, are filed
/// there; the envelope keeps what was said.
const LAST_MOMENT: u64 = 9_999_999_999_999;

/// The handler: it decides, and holds nothing.
#[derive(Debug, Clone, Copy)]
pub struct Journal;

impl Handler<Anything> for Journal {
    type Output = Effects;

    /// One conditional put, and nothing else: the key names the event, so that a duplicate finds itself.
    async fn handle(&self, event: Anything, _: &Context) -> Result<Effects, Failure> {
        let says = Event::of(&event).permanent()?;
        Ok(Effects::none().once(row(&event, &says)?))
    }
}

/// The row of an event. Its `body` is the envelope written anew: the payload byte for byte, the metadata with
/// what a foreign producer left out (the id, above all) filled in.
fn row(event: &Anything, says: &Event) -> Result<Row, serde_json::Error> {
    let metadata = &event.metadata;
    let key = Key::of(
        format!("order#{}", says.subject),
        format!(
            "{:013}#{}",
            metadata.timestamp.min(LAST_MOMENT),
            metadata.id
        ),
    );
    let feed = format!("{}#{}", hour(metadata.timestamp), shard(&metadata.id));
    let mut row = Row::new(key)
        .set("type", event.event_type.as_str())
        .set("version", metadata.version)
        .set("correlationId", metadata.correlation_id.as_str())
        .set("timestamp", metadata.timestamp)
        .set("feed", feed)
        .set("body", serde_json::to_string(event)?);
    let optional = [
        ("source", metadata.source.as_deref()),
        ("causationId", metadata.causation_id.as_deref()),
        ("customer", says.user_id.as_ref().map(UserId::as_str)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            row = row.set(name, value);
        }
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use dashpot::{CommitError, Consumer, Invocation, Item, Value};
    use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};

    use super::*;

    const PLACED: &str = r#"{"type":"order.placed","payload":{"orderId":"o-1","userId":"u-1", "n": 1.50},"metadata":{"id":"e-1","timestamp":1732464000000,"correlationId":"c-1","causationId":"e-0","version":2,"source":"checkout","subject":"o-1","hops":0}}"#;

    struct Run {
        store: Arc<MemoryStore>,
        queue: RecordingQueue,
        failed: usize,
    }

    async fn run(store: Arc<MemoryStore>, bodies: &[&str]) -> Run {
        let queue = RecordingQueue::new();
        let consumer = Consumer::<_, Anything>::new("journal", Journal)
            .recovering(&queue)
            .atomic(store.clone())
            .log_to(|_| {});
        let deliveries: Vec<Delivery> = bodies
            .iter()
            .enumerate()
            .map(|(n, body)| Delivery::new(format!("m-{n}"), *body))
            .collect();
        let response = consumer
            .handle_batch(&sqs_event("journal", &deliveries), &Invocation::default())
            .await
            .unwrap();
        let failed = response.batch_item_failures.len();
        Run {
            store,
            queue,
            failed,
        }
    }

    async fn filed(body: &str) -> Item {
        let run = run(Arc::default(), &[body]).await;
        assert_eq!((run.failed, run.queue.parked().len()), (0, 0), "{body}");
        let rows = run.store.rows("");
        assert_eq!(rows.len(), 1);
        rows.into_iter().next().unwrap()
    }

    fn text<'a>(row: &'a Item, name: &str) -> &'a str {
        row.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    #[tokio::test]
    async fn an_event_is_one_row_with_the_envelope_as_it_came() {
        let row = filed(PLACED).await;
        assert_eq!(text(&row, "pk"), "order#o-1");
        assert_eq!(text(&row, "sk"), "1732464000000#e-1");
        assert_eq!(text(&row, "body"), PLACED);
        assert_eq!(text(&row, "type"), "order.placed");
        assert_eq!(text(&row, "source"), "checkout");
        assert_eq!(text(&row, "causationId"), "e-0");
        assert_eq!(text(&row, "customer"), "u-1");
        assert!(text(&row, "feed").starts_with("2024112416#"));
        assert_eq!(row.get("timestamp"), Some(&Value::N(1_732_464_000_000)));
        assert!(!row.contains_key("expiresAt"));
    }

    #[tokio::test]
    async fn a_duplicate_changes_nothing_and_each_costs_one_round_trip() {
        let run = run(Arc::default(), &[PLACED, PLACED, PLACED]).await;
        assert_eq!((run.failed, run.store.rows("").len()), (0, 1));
        assert_eq!(run.store.round_trips(), 3);
    }

    #[tokio::test]
    async fn an_unknown_event_is_kept_as_well() {
        let row =
            filed(r#"{"type":"comet.seen","payload":[1],"metadata":{"id":"e-9","version":7}}"#)
                .await;
        assert_eq!(text(&row, "pk"), "order#e-9");
        assert_eq!(text(&row, "sk"), "0000000000000#e-9");
        assert!(!row.contains_key("customer"));
    }

    #[tokio::test]
    async fn a_message_without_subject_is_filed_under_the_order_that_it_names() {
        let created = |order: &str| {
            format!(
                r#"{{"type":"order.created","payload":{{"orderId":{order},"userId":"u"}},"metadata":{{"timestamp":5,"id":"e"}}}}"#
            )
        };
        assert_eq!(text(&filed(&created("\"123\"")).await, "pk"), "order#123");
        // What is no order id of ours cannot forge a partition.
        for order in ["\"a#b\"", "7", "null"] {
            let row = filed(&created(order)).await;
            assert_eq!((text(&row, "pk"), text(&row, "customer")), ("order#e", "u"));
        }
    }

    #[tokio::test]
    async fn what_is_filed_with_one_order_is_not_about_another() {
        let about = |name: &str| {
            PLACED
                .replace("order.placed", name)
                .replace(r#""subject":"o-1""#, r#""subject":"o-2""#)
        };
        let run = run(Arc::default(), &[&about("order.placed")]).await;
        assert_eq!(run.store.rows("").len(), 0);
        assert_eq!(run.queue.parked()[0].note["reason"], "permanent");
        // What another's event is about, only they know.
        assert_eq!(text(&filed(&about("comet.seen")).await, "pk"), "order#o-2");
    }

    #[tokio::test]
    async fn a_clock_that_is_far_ahead_does_not_break_the_order_of_keys() {
        let body = PLACED.replace("1732464000000", "18446744073709551615");
        let row = filed(&body).await;
        assert_eq!(text(&row, "sk"), "9999999999999#e-1");
        assert_eq!(text(&row, "body"), body);
    }

    #[tokio::test]
    async fn what_is_no_envelope_or_does_not_fit_into_a_row_is_parked() {
        let store = Arc::new(MemoryStore::new());
        store.fail_next(CommitError::Invalid("Item size has exceeded".into()));
        let run = run(store, &[PLACED, "not json"]).await;
        let reasons: BTreeSet<String> = run
            .queue
            .parked()
            .iter()
            .map(|parked| parked.note["reason"].as_str().unwrap().to_owned())
            .collect();
        let expected = BTreeSet::from(["permanent".to_owned(), "malformed".to_owned()]);
        assert_eq!((reasons, run.failed), (expected, 0));
    }
}
