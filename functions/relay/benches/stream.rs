//! The relay with 1, 10 and 1,000 events in a batch of the stream, against a topic that answers at once and one that
//! takes 5 ms a call: `cargo bench`. Figures go to standard error; standard output has the relay's own lines.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::time::{Duration, Instant};

use dashpot::{Invocation, ParkNote};
use relay::dead_letters::{DeadLetters, NotParked};
use relay::fate::Fate;
use relay::handler::Relay;
use relay::outbox::{Event, Inserted};
use relay::queues::Queues;
use relay::schedules::Schedules;
use relay::topic::Topic;
use serde_json::Value;

struct Distant(Duration);

impl Topic for Distant {
    async fn publish(&self, events: &[&Event<'_>]) -> Vec<Fate> {
        if !self.0.is_zero() {
            tokio::time::sleep(self.0).await;
        }
        events.iter().map(|_| Fate::Published).collect()
    }
}

struct Nowhere;

impl Queues for Nowhere {
    async fn send(&self, _: &str, _: &[&Event<'_>], _: u64) -> Vec<Fate> {
        unreachable!("every row is an event")
    }
}

impl Schedules for Nowhere {
    async fn create(&self, _: &str, _: &str, _: &Event<'_>, _: u64) -> Fate {
        unreachable!("every row is an event")
    }

    async fn delete(&self, _: &str) -> Fate {
        unreachable!("every row is an event")
    }
}

impl DeadLetters for Nowhere {
    async fn park(&self, _: &Inserted<'_>, _: &ParkNote<'_>) -> Result<(), NotParked> {
        unreachable!("every row is sound")
    }
}

fn event(rows: usize) -> String {
    let good = include_str!("../../../events/relay/good.json");
    let mut event: Value = serde_json::from_str(good).unwrap();
    let records = event["Records"].as_array_mut().unwrap();
    *records = vec![records[0].clone(); rows];
    event.to_string()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    eprintln!("rows  a call takes, ms  us a row  ms a batch");
    for millis in [0, 5] {
        let relay = Relay::new(
            Distant(Duration::from_millis(millis)),
            Nowhere,
            Nowhere,
            Nowhere,
        );
        for rows in [1, 10, 1_000] {
            let event = event(rows);
            let rounds = if millis == 0 { 20_000 / rows } else { 11 };
            let mut times: Vec<f64> = (0..rounds)
                .map(|_| {
                    let start = Instant::now();
                    let relayed = runtime.block_on(relay.handle(&event, &Invocation::default()));
                    relayed.unwrap();
                    start.elapsed().as_secs_f64()
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let each = median * 1e6 / rows as f64;
            eprintln!(
                "{rows:>4}  {millis:>16}  {each:>8.2}  {:>10.2}",
                median * 1e3
            );
        }
    }
}
