//! A consumer in this process, each figure beside a peer in the same run: `cargo bench`.
//!
//! The two take turns, and what is told is the median of the ratios of neighbours: a machine that is busy with something
//! else is as busy for both. Whole binaries are measured by `cargo binaries`; see docs/PERFORMANCE.md.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dashpot::{
    BatchConsumer, BatchHandler, CommitError, Consumer, Context, Effects, Envelope, EventSet,
    Failure, Handler, Invocation, Item, Key, Page, Query, Row, Store, StoreError, Unreadable,
    Write, from_fn,
};
use dashpot_testing::{Delivery, sqs_event};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    user_id: String,
    items: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    quantity: u64,
}

impl EventSet for Order {
    fn types() -> Vec<&'static str> {
        Vec::new()
    }

    fn read(_: &str, _: u32, payload: &str) -> Result<Self, Unreadable> {
        Ok(serde_json::from_str(payload)?)
    }
}

fn count(order: &Order) -> u64 {
    black_box(order.user_id.as_str());
    order.items.iter().map(|line| line.quantity).sum()
}

/// The peer: the event and its bodies in owned types, one record after the other.
mod by_hand {
    use serde::Deserialize;

    use super::{Order, count};

    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    }

    #[expect(dead_code, reason = "it is read because a hand-written type has it")]
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Record {
        message_id: String,
        receipt_handle: String,
        body: String,
        attributes: std::collections::HashMap<String, String>,
        message_attributes: std::collections::HashMap<String, serde_json::Value>,
        #[serde(rename = "eventSourceARN")]
        event_source_arn: String,
    }

    pub(super) fn handle(event: &str) -> u64 {
        let event: Event = serde_json::from_str(event).unwrap();
        let count = |record: &Record| {
            let envelope: dashpot::Envelope<Order> = serde_json::from_str(&record.body).unwrap();
            count(&envelope.payload)
        };
        event.records.iter().map(count).sum()
    }
}

/// A store whose every answer takes so long, and how often it was asked.
struct Distant(Duration, AtomicUsize);

impl Distant {
    fn new(latency: Duration) -> Arc<Self> {
        Arc::new(Self(latency, AtomicUsize::new(0)))
    }

    async fn answer(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.0).await;
    }
}

impl Store for Distant {
    async fn commit(&self, _: &[Write]) -> Result<(), CommitError> {
        self.answer().await;
        Ok(())
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        self.answer().await;
        Ok(keys.iter().map(|_| None).collect())
    }

    async fn query(&self, _: &Query) -> Result<Page, StoreError> {
        self.answer().await;
        Ok(Page::default())
    }
}

struct Reserve;

impl Handler<Envelope<Order>> for Reserve {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Order>, cx: &Context) -> Result<Effects, Failure> {
        let row = Row::new(Key::new(format!("order#{}", cx.event_id)));
        Ok(Effects::none().once(row.set("quantity", count(&event.payload))))
    }
}

struct Sum;

impl Handler<Envelope<Order>> for Sum {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Order>, _: &Context) -> Result<Effects, Failure> {
        Ok(sum(std::slice::from_ref(&event)))
    }
}

impl BatchHandler<Envelope<Order>> for Sum {
    type Output = Effects;

    async fn handle(&self, events: &[Envelope<Order>], _: &Context) -> Result<Effects, Failure> {
        Ok(sum(events))
    }
}

fn sum(events: &[Envelope<Order>]) -> Effects {
    let add = |event: &Envelope<Order>| {
        let pieces = i64::try_from(count(&event.payload)).unwrap();
        Write::update(Key::new("day")).add("pieces", pieces)
    };
    Effects::none().writes(events.iter().map(add))
}

/// So many orders of so many lines.
fn event(records: usize, lines: usize) -> String {
    let line = |n| json!({ "sku": format!("chair-oak-{n:04}"), "quantity": 2, "unitPrice": { "amount": 4999, "currency": "EUR" } });
    let delivery = |n| {
        let body = json!({
            "type": "order.placed",
            "payload": {
                "orderId": format!("01a19b98-1dc0-7df5-bbfd-{n:012x}"), "userId": format!("user_{n:06}"),
                "items": (0..lines).map(line).collect::<Vec<_>>()
            },
            "metadata": {
                "id": format!("01a19b98-1e74-76cd-bbad-{n:012x}"), "timestamp": 1_793_611_800_180_u64,
                "correlationId": "req_b04257e51203", "version": 2, "source": "checkout", "hops": 0
            }
        });
        Delivery::new(
            format!("98cdf011-6671-4c6a-8d5c-{n:012x}"),
            body.to_string(),
        )
    };
    sqs_event("bench", &(0..records).map(delivery).collect::<Vec<_>>())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Microseconds of one run of `ours`, and the ratio to `peer`, the two taking turns.
fn beside(rounds: usize, mut ours: impl FnMut(), mut peer: impl FnMut()) -> (f64, f64) {
    let time = |act: &mut dyn FnMut()| {
        let start = Instant::now();
        act();
        start.elapsed().as_secs_f64() * 1e6
    };
    time(&mut ours);
    time(&mut peer);
    let turns: Vec<(f64, f64)> = (0..rounds)
        .map(|_| (time(&mut ours), time(&mut peer)))
        .collect();
    (
        median(turns.iter().map(|(ours, _)| *ours).collect()),
        median(turns.iter().map(|(ours, peer)| ours / peer).collect()),
    )
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let quiet = |_: &str| {};

    println!("a batch, decoded, with partial failures and its line, beside owned types by hand");
    println!("records  lines  us a record  ratio");
    let consumer = Consumer::<_, Envelope<Order>>::new(
        "bench",
        from_fn(async |event: Envelope<Order>| {
            black_box(count(&event.payload));
            Ok::<_, Failure>(())
        }),
    )
    .log_to(quiet);
    for (records, lines) in [
        (10, 2),
        (100, 2),
        (1_000, 2),
        (10_000, 2),
        (100, 1),
        (100, 10),
        (100, 100),
    ] {
        let event = event(records, lines);
        let (micros, ratio) = beside(
            (100_000 / records / lines).clamp(11, 1001),
            || {
                let answer =
                    runtime.block_on(consumer.handle_batch(&event, &Invocation::default()));
                assert!(answer.unwrap().batch_item_failures.is_empty());
            },
            || {
                black_box(by_hand::handle(&event));
            },
        );
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let each = micros / records as f64;
        println!("{records:>7}  {lines:>5}  {each:>11.2}  {ratio:>5.2}");
    }

    println!(
        "\na batch of ten, atomic, a store that answers in 5 ms, beside two round trips a record one after the other"
    );
    println!("wall, ms  ratio");
    let latency = Duration::from_millis(5);
    let ten = event(10, 2);
    let consumer = Consumer::<_, Envelope<Order>>::new("bench", Reserve)
        .atomic(Distant::new(latency))
        .log_to(quiet);
    let (micros, ratio) = beside(
        51,
        || {
            let answer = runtime.block_on(consumer.handle_batch(&ten, &Invocation::default()));
            assert!(answer.unwrap().batch_item_failures.is_empty());
        },
        || {
            black_box(by_hand::handle(&ten));
            runtime.block_on(async {
                for _ in 0..20 {
                    tokio::time::sleep(latency).await;
                }
            });
        },
    );
    println!("{:>8.1}  {ratio:>5.2}", micros / 1e3);

    chunks(&runtime, latency);
}

fn chunks(runtime: &tokio::runtime::Runtime, latency: Duration) {
    println!(
        "\na count, by a chunk a transaction, beside a message a transaction, 64 at once; the same store"
    );
    println!(
        "records  messages/s: a chunk, a message  ratio of wall  round trips per 1,000: a chunk, a message"
    );
    for records in [10, 100, 1_000] {
        let event = event(records, 2);
        let (chunked, single) = (Distant::new(latency), Distant::new(latency));
        let consumer =
            BatchConsumer::<_, Envelope<Order>, _>::new("bench", Sum, Arc::clone(&chunked))
                .log_to(|_| {});
        let peer = Consumer::<_, Envelope<Order>>::new("bench", Sum)
            .atomic(Arc::clone(&single))
            .log_to(|_| {});
        let rounds = 21;
        let (micros, ratio) = beside(
            rounds,
            || {
                let answer =
                    runtime.block_on(consumer.handle_batch(&event, &Invocation::default()));
                assert!(answer.unwrap().batch_item_failures.is_empty());
            },
            || {
                let answer = runtime.block_on(peer.handle_batch(&event, &Invocation::default()));
                assert!(answer.unwrap().batch_item_failures.is_empty());
            },
        );
        // One round more than is timed warms up.
        let per_thousand =
            |it: &Distant| it.1.load(Ordering::Relaxed) * 1000 / records / (rounds + 1);
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let each_second = records as f64 / micros * 1e6;
        println!(
            "{records:>7}  {each_second:>19.0}, {:>9.0}  {ratio:>13.2}  {:>30}, {:>9}",
            each_second * ratio,
            per_thousand(&chunked),
            per_thousand(&single)
        );
    }
}
