//! A FIFO queue: its groups keep their order whatever becomes of their messages, and do not wait for one another.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashpot::{Consumer, Context, Effects, Failure, Handler, Json};
use dashpot_testing::{
    DeleteFails, MemoryStore, Outgoing, Polled, QueueSettings, SimPort, SimQueue, SqsMapping,
    Verdict,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::advance;

#[derive(Debug, Deserialize)]
struct Step {
    group: String,
    number: u32,
    /// It fails for so many receives.
    fails: u32,
    how: Option<String>,
}

/// Walks the steps, and records those that it has done.
#[derive(Debug, Clone, Default)]
struct Walker(Arc<Mutex<Vec<(String, u32)>>>);

impl Walker {
    fn done(&self) -> Vec<(String, u32)> {
        self.0.lock().unwrap().clone()
    }
}

impl Handler<Json<Step>> for Walker {
    type Output = Effects;

    async fn handle(&self, Json(step): Json<Step>, cx: &Context) -> Result<Effects, Failure> {
        if cx.attempt <= step.fails {
            match step.how.as_deref() {
                Some("hang") => std::future::pending().await,
                Some("panic") => panic!("a bug"),
                _ => return Err(Failure::retry("not yet")),
            }
        }
        tokio::task::yield_now().await;
        self.0.lock().unwrap().push((step.group, step.number));
        Ok(Effects::none())
    }
}

struct Road {
    queue: Arc<SimQueue>,
    dead_letters: Arc<SimQueue>,
    walker: Walker,
    mapping: SqsMapping,
    store: Arc<MemoryStore>,
}

type Consuming = Consumer<Walker, Json<Step>, SimPort, dashpot::Atomic<Arc<MemoryStore>>>;

impl Road {
    fn new() -> Self {
        Self::of(
            QueueSettings::fifo("q.fifo"),
            QueueSettings::fifo("dead.fifo"),
        )
    }

    fn of(queue: QueueSettings, dead_letters: QueueSettings) -> Self {
        let (queue, dead_letters) = (SimQueue::new(queue), SimQueue::new(dead_letters));
        queue.redrive_to(&dead_letters, 1000);
        let mapping = SqsMapping {
            report_batch_item_failures: true,
            ..SqsMapping::default()
        };
        Self {
            queue,
            dead_letters,
            walker: Walker::default(),
            mapping,
            store: Arc::default(),
        }
    }

    fn send(&self, group: &str, body: impl Into<Value>) {
        let body = match body.into() {
            Value::String(text) => text,
            step => step.to_string(),
        };
        let id = format!("{}", self.queue.len() + 1000 * self.dead_letters.len());
        let outgoing = Outgoing::new(body).group(group);
        let fifo = self.queue.settings().fifo;
        let sent = self.queue.send(if fifo {
            outgoing.deduplication_id(id)
        } else {
            outgoing
        });
        sent.unwrap();
    }

    fn consumer(&self) -> Consuming {
        Consumer::<_, Json<Step>>::new("walker", self.walker.clone())
            .recovering(self.queue.port(&self.dead_letters))
            .atomic(Arc::clone(&self.store))
            .log_to(|_| {})
    }

    async fn poll(&self) -> Option<Polled> {
        let consumer = self.consumer();
        let polled = self.mapping.poll_once(&self.queue, &consumer).await;
        polled.unwrap()
    }

    /// Group and reason of what lies in the dead-letter queue.
    fn parked(&self) -> Vec<(Option<String>, String)> {
        let parked = self.dead_letters.messages().into_iter().map(|snapshot| {
            let note = &snapshot.message.attributes["dashpot"].string_value;
            let note: Value = serde_json::from_str(note.as_ref().unwrap()).unwrap();
            let reason = note["reason"].as_str().unwrap().to_owned();
            (snapshot.message.group.clone(), reason)
        });
        parked.collect()
    }
}

fn step(group: &str, number: u32, fails: u32) -> Value {
    json!({ "group": group, "number": number, "fails": fails })
}

fn owned(done: &[(&str, u32)]) -> Vec<(String, u32)> {
    let owned = |(group, number): &(&str, u32)| ((*group).to_owned(), *number);
    done.iter().map(owned).collect()
}

#[tokio::test(start_paused = true)]
async fn poison_is_parked_in_its_group_and_the_group_goes_on_in_order() {
    let road = Road::new();
    road.send("a", step("a", 1, 0));
    road.send("a", "poison");
    road.send("a", step("a", 3, 0));
    let polled = road.poll().await.unwrap();
    assert_eq!(polled.verdict, Verdict::Success);
    assert_eq!(road.walker.done(), owned(&[("a", 1), ("a", 3)]));
    assert_eq!(road.parked(), [(Some("a".into()), "malformed".into())]);
    assert!(road.queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn behind_a_message_that_fails_its_group_waits_with_it_and_other_groups_go_on() {
    // Left to itself, what waits would be out of sight for longer than what failed, and keep that from being received.
    let patient = QueueSettings {
        visibility_timeout: Duration::from_mins(3),
        ..QueueSettings::fifo("q.fifo")
    };
    let road = Road::of(patient, QueueSettings::fifo("dead.fifo"));
    for number in 1..=3 {
        road.send("a", step("a", number, u32::from(number == 2)));
        road.send("b", step("b", number, 0));
    }
    let polled = road.poll().await.unwrap();
    let Verdict::Partial(failed) = &polled.verdict else {
        panic!("{polled:?}");
    };
    assert_eq!(failed.len(), 2, "the second of a, and the third");
    let mut done = road.walker.done();
    done.sort();
    assert_eq!(done, owned(&[("a", 1), ("b", 1), ("b", 2), ("b", 3)]));

    // The first delay is 15 to 30 s, and that of those behind it is no longer: the whole group can be received again.
    advance(Duration::from_secs(14)).await;
    assert!(road.poll().await.is_none());
    advance(Duration::from_secs(17)).await;
    assert_eq!(road.poll().await.unwrap().verdict, Verdict::Success);
    assert_eq!(road.walker.done()[4..], owned(&[("a", 2), ("a", 3)]));
}

#[tokio::test(start_paused = true)]
async fn what_had_no_turn_before_the_time_was_up_keeps_its_place() {
    let road = Road::new();
    let mut hanging = step("a", 1, 1);
    hanging["how"] = json!("hang");
    road.send("a", hanging);
    road.send("a", step("a", 2, 0));
    road.poll().await.unwrap();
    assert_eq!(road.walker.done(), []);
    advance(Duration::from_secs(31)).await;
    road.poll().await.unwrap();
    assert_eq!(road.walker.done(), owned(&[("a", 1), ("a", 2)]));
}

#[tokio::test(start_paused = true)]
async fn a_park_that_is_repeated_is_one_message_and_a_replay_can_be_parked_again_at_once() {
    let mut road = Road::new();
    road.send("a", "poison");
    // It was parked, and is not deleted: it comes back, and is parked again.
    road.mapping.delete_fails = DeleteFails::when(|_| true);
    road.poll().await.unwrap();
    advance(Duration::from_secs(30)).await;
    road.mapping.delete_fails = DeleteFails::default();
    road.poll().await.unwrap();
    assert!(road.queue.is_empty());
    assert_eq!(road.dead_letters.len(), 1);

    // Sent to the queue again, as a replay does, within five minutes.
    road.send("a", "poison");
    road.poll().await.unwrap();
    assert_eq!(road.dead_letters.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_park_that_fails_holds_its_group_back() {
    let road = Road::new();
    // The note makes it larger than a message may be.
    road.send("a", "x".repeat(1024 * 1024));
    road.send("a", step("a", 2, 0));
    road.poll().await.unwrap();
    assert_eq!((road.queue.len(), road.dead_letters.len()), (2, 0));
    assert_eq!(road.walker.done(), []);
}

#[tokio::test(start_paused = true)]
async fn a_suspect_runs_in_its_place() {
    let road = Road::new();
    for number in 1..=3 {
        road.send("a", step("a", number, 0));
    }
    // A process that died under it: the first message alone had been delivered.
    road.queue.receive(1).unwrap();
    advance(Duration::from_secs(30)).await;
    road.poll().await.unwrap();
    assert_eq!(road.walker.done(), owned(&[("a", 1), ("a", 2), ("a", 3)]));
}

#[tokio::test(start_paused = true)]
async fn a_standard_queue_parks_with_the_group_that_makes_it_fair() {
    let road = Road::of(
        QueueSettings::standard("q"),
        QueueSettings::standard("dead"),
    );
    road.send("customer", "poison");
    road.poll().await.unwrap();
    assert_eq!(
        road.parked(),
        [(Some("customer".into()), "malformed".into())]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_group_is_done_completely_and_in_order_however_its_messages_fail(
        steps in prop::collection::vec((0..3_usize, 0..4_u32, 0..3_usize, any::<bool>()), 1..30)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let road = Road::new();
            let mut sent = BTreeMap::<&str, Vec<u32>>::new();
            for (number, (group, fails, how, poison)) in (0..).zip(steps) {
                let group = ["a", "b", "c"][group];
                if poison && fails == 0 {
                    road.send(group, "poison");
                    continue;
                }
                let mut step = step(group, number, fails);
                step["how"] = json!(["fail", "hang", "panic"][how]);
                road.send(group, step);
                sent.entry(group).or_default().push(number);
            }
            let running = road.mapping.run(&road.queue, || road.consumer());
            tokio::select! {
                refused = running => panic!("{refused:?}"),
                () = road.queue.until(SimQueue::is_empty) => {}
            }
            let mut done = BTreeMap::<&str, Vec<u32>>::new();
            let walked = road.walker.done();
            for (group, number) in &walked {
                done.entry(group).or_default().push(*number);
            }
            assert_eq!(done, sent);
        });
    }
}
