//! What happens to a batch of the stream.

use std::collections::BTreeMap;
use std::time::Duration;

use dashpot::{Invocation, ParkNote};
use futures_util::{StreamExt, stream};
use strict_json::Malformed;
use tokio::time::timeout_at;

use crate::chunk::{MOST_BYTES, chunks};
use crate::dead_letters::{DeadLetters, NotParked};
use crate::fate::Fate;
use crate::outbox::{Event, Inserted, Timing, inserted};
use crate::queues::{LONGEST_DELAY, Queues};
use crate::report::{self, Tally};
use crate::schedules::Schedules;
use crate::topic::Topic;

/// How long before the invocation's end the batch is given up, so that it is said why.
const MARGIN: Duration = Duration::from_millis(500);

/// How many calls are made at once: a batch of the stream is ten of them, and most of a call is waiting.
const CALLS_AT_ONCE: usize = 8;

/// The relay: it holds nothing between batches.
#[derive(Debug)]
pub struct Relay<T, Q, C, D> {
    topic: T,
    queues: Q,
    schedules: C,
    dead_letters: D,
    log: fn(&str),
}

/// Why a batch has to come again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The function is wired to something else, or was invoked by hand with the wrong file.
    #[error("the payload is not an event of a DynamoDB stream: {0}")]
    NoStreamEvent(Malformed),
    /// The topic or a queue did not take everything that it should.
    #[error("{events} events were not published; the last: {detail}")]
    NotPublished {
        /// How many, commands among them.
        events: usize,
        /// What is said about the last of them.
        detail: String,
    },
    /// What can never be published is not safe either.
    #[error(transparent)]
    NotParked(#[from] NotParked),
    /// The invocation's time ended first.
    #[error("the invocation's time ended before everything was published")]
    OutOfTime,
}

/// A row, and what is in it.
type Sound<'r, 'a> = (&'r Inserted<'a>, &'r Event<'a>);

/// A row that can never be published.
struct Hopeless<'r, 'a> {
    row: &'r Inserted<'a>,
    reason: &'static str,
    detail: String,
}

impl<T: Topic, Q: Queues, C: Schedules, D: DeadLetters> Relay<T, Q, C, D> {
    /// A relay between these: events go to the topic, commands to their queues, in their time.
    pub fn new(topic: T, queues: Q, schedules: C, dead_letters: D) -> Self {
        Self {
            topic,
            queues,
            schedules,
            dead_letters,
            log: report::to_stdout,
        }
    }

    /// Where the lines of a batch go; standard output by default.
    #[must_use]
    pub fn log_to(mut self, log: fn(&str)) -> Self {
        self.log = log;
        self
    }

    /// Handles the payload of one invocation: every outbox row in it is published, or parked.
    ///
    /// # Errors
    /// [`RelayError`] when that is not certain of each row; then the whole batch must come again. The stream
    /// offers partial answers, but they, too, repeat everything from the first failure on.
    pub async fn handle(&self, payload: &str, invocation: &Invocation) -> Result<(), RelayError> {
        let mut tally = Tally::default();
        let outcome = match inserted(payload) {
            Ok(rows) => {
                tally.received = rows.len();
                let end = invocation.deadline;
                let relaying = self.relay(&rows, &mut tally, invocation);
                timeout_at(end.checked_sub(MARGIN).unwrap_or(end), relaying)
                    .await
                    .unwrap_or(Err(RelayError::OutOfTime))
            }
            Err(error) => Err(RelayError::NoStreamEvent(error)),
        };
        let failure = outcome.as_ref().err().map(ToString::to_string);
        (self.log)(&report::batch(tally, failure.as_deref(), invocation));
        outcome
    }

    async fn relay(
        &self,
        rows: &[Inserted<'_>],
        tally: &mut Tally,
        invocation: &Invocation,
    ) -> Result<(), RelayError> {
        let (sound, mut hopeless) = sort(rows);
        let mut failures: Vec<String> = Vec::new();
        let now = invocation.clock.now();
        let ways = by_way(sound, now);
        let calls: Vec<_> = ways
            .iter()
            .flat_map(|(way, rows)| {
                let chunks = match way {
                    // One schedule a call.
                    Way::Scheduler => rows.chunks(1).collect(),
                    Way::Topic | Way::Queue(_) => chunks(rows, |(_, event)| event.bytes()),
                };
                chunks.into_iter().map(|chunk| self.call(*way, chunk, now))
            })
            .collect();
        let mut answers = stream::iter(calls).buffered(CALLS_AT_ONCE);
        while let Some((chunk, fates)) = answers.next().await {
            let mut fates = fates.into_iter();
            for (row, _) in chunk {
                match fates.next() {
                    Some(Fate::Published) => tally.published += 1,
                    Some(Fate::Unpublishable(detail)) => hopeless.push(Hopeless {
                        row,
                        reason: "unpublishable",
                        detail,
                    }),
                    Some(Fate::Failed(detail)) => failures.push(detail),
                    None => failures.push("nothing was said about it".into()),
                }
            }
        }
        if let Some(detail) = failures.pop() {
            // Nothing is parked yet: the batch comes again, and would park it again each time.
            return Err(RelayError::NotPublished {
                events: failures.len() + 1,
                detail,
            });
        }
        for hopeless in hopeless {
            self.park(&hopeless, invocation).await?;
            tally.parked += 1;
        }
        Ok(())
    }

    /// One call.
    async fn call<'c, 'r, 'a>(
        &self,
        way: Way<'_>,
        chunk: &'c [Sound<'r, 'a>],
        now: u64,
    ) -> (&'c [Sound<'r, 'a>], Vec<Fate>) {
        let events: Vec<&Event<'_>> = chunk.iter().map(|(_, event)| *event).collect();
        let fates = match way {
            Way::Topic => self.topic.publish(&events).await,
            Way::Queue(queue) => self.queues.send(queue, &events, now).await,
            Way::Scheduler => {
                let mut fates = Vec::with_capacity(chunk.len());
                for (row, event) in chunk {
                    fates.push(self.schedule(row, event).await);
                }
                fates
            }
        };
        (chunk, fates)
    }

    async fn schedule(&self, row: &Inserted<'_>, event: &Event<'_>) -> Fate {
        let to = event.to.as_deref().unwrap_or_default();
        match (&event.timing, &row.event_id) {
            (Timing::Cancels(name), _) => self.schedules.delete(name).await,
            (Timing::Schedule(name, due), _) | (Timing::Due(due), Some(name)) => {
                self.schedules.create(name, to, event, *due).await
            }
            (Timing::Due(_), None) | (Timing::Now, _) => {
                Fate::Unpublishable("it has no name to be scheduled under".to_owned())
            }
        }
    }

    async fn park(
        &self,
        hopeless: &Hopeless<'_, '_>,
        invocation: &Invocation,
    ) -> Result<(), NotParked> {
        let Hopeless {
            row,
            reason,
            detail,
        } = hopeless;
        let detail: String = detail.chars().take(512).collect();
        let event = row.event.as_ref().ok();
        let note = ParkNote {
            reason,
            detail: &detail,
            consumer: "relay",
            source_queue: &row.stream_arn,
            message_id: &row.record_id,
            event_id: row.event_id.as_deref(),
            event_type: event.map(|event| event.event_type.as_ref()),
            attempts: 1,
            first_seen: row.inserted_at,
            parked_at: invocation.clock.now(),
            fingerprint: ParkNote::fingerprint(reason, &detail),
            redrives: 0,
        };
        self.dead_letters.park(row, &note).await?;
        (self.log)(&report::parked(&note, invocation));
        Ok(())
    }
}

/// Which call takes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way<'r> {
    Topic,
    Queue(&'r str),
    Scheduler,
}

impl<'r> Way<'r> {
    fn of(event: &'r Event<'_>, now: u64) -> Self {
        let longest = u64::try_from(LONGEST_DELAY.as_millis()).unwrap_or(u64::MAX);
        match (event.to.as_deref(), &event.timing) {
            (None, Timing::Now) => Self::Topic,
            (None, _) | (_, Timing::Cancels(_)) => Self::Scheduler,
            (Some(_), Timing::Schedule(_, due)) if *due > now => Self::Scheduler,
            (Some(_), Timing::Due(due)) if due.saturating_sub(now) > longest => Self::Scheduler,
            (Some(to), _) => Self::Queue(to),
        }
    }
}

/// Rows by who takes them.
fn by_way<'r, 'a>(rows: Vec<Sound<'r, 'a>>, now: u64) -> BTreeMap<Way<'r>, Vec<Sound<'r, 'a>>> {
    let mut ways = BTreeMap::<_, Vec<_>>::new();
    for row in rows {
        ways.entry(Way::of(row.1, now)).or_default().push(row);
    }
    ways
}

/// The rows that SNS or SQS can be asked to take, and those of which it is known that they cannot.
fn sort<'r, 'a>(rows: &'r [Inserted<'a>]) -> (Vec<Sound<'r, 'a>>, Vec<Hopeless<'r, 'a>>) {
    let (mut sound, mut hopeless) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let (reason, detail) = match &row.event {
            Ok(event) if event.bytes() <= MOST_BYTES => {
                sound.push((row, event));
                continue;
            }
            Ok(event) => (
                "unpublishable",
                format!(
                    "the message has {} bytes; at most {MOST_BYTES} are taken",
                    event.bytes()
                ),
            ),
            Err(detail) => ("malformed", detail.clone()),
        };
        hopeless.push(Hopeless {
            row,
            reason,
            detail,
        });
    }
    (sound, hopeless)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::HashSet;
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::*;

    /// A topic that takes everything but what it is told to refuse, by type.
    #[derive(Default)]
    struct FakeTopic {
        refuses: Mutex<Vec<(&'static str, Fate)>>,
        hangs: bool,
        published: Mutex<Vec<String>>,
        calls: Mutex<usize>,
    }

    impl Topic for &FakeTopic {
        async fn publish(&self, events: &[&Event<'_>]) -> Vec<Fate> {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            *self.calls.lock().unwrap() += 1;
            let refuses = self.refuses.lock().unwrap();
            let fate = |event: &&Event<'_>| {
                let answer = refuses.iter().find(|(kind, _)| *kind == event.event_type);
                if let Some((_, fate)) = answer {
                    return fate.clone();
                }
                self.published.lock().unwrap().push(event.body.to_string());
                Fate::Published
            };
            events.iter().map(fate).collect()
        }
    }

    /// Queues that take everything but what they are told to refuse, by name.
    #[derive(Default)]
    struct FakeQueues {
        refuses: Mutex<Vec<(&'static str, Fate)>>,
        sent: Mutex<Vec<(String, Vec<String>)>>,
    }

    impl Queues for &FakeQueues {
        async fn send(&self, to: &str, commands: &[&Event<'_>], _: u64) -> Vec<Fate> {
            let refuses = self.refuses.lock().unwrap();
            if let Some((_, fate)) = refuses.iter().find(|(name, _)| *name == to) {
                return vec![fate.clone(); commands.len()];
            }
            let bodies = commands.iter().map(|command| command.body.to_string());
            let sent = (to.to_owned(), bodies.collect());
            self.sent.lock().unwrap().push(sent);
            vec![Fate::Published; commands.len()]
        }
    }

    /// A scheduler that takes everything.
    #[derive(Default)]
    struct FakeScheduler {
        told: Mutex<Vec<String>>,
    }

    impl Schedules for &FakeScheduler {
        async fn create(&self, name: &str, to: &str, command: &Event<'_>, due: u64) -> Fate {
            if to.is_empty() {
                return crate::schedules::unknown(to);
            }
            let told = format!("{name} for {to} at {due}: {}", command.body);
            self.told.lock().unwrap().push(told);
            Fate::Published
        }

        async fn delete(&self, name: &str) -> Fate {
            self.told.lock().unwrap().push(format!("forget {name}"));
            Fate::Published
        }
    }

    #[derive(Default)]
    struct FakeDeadLetters {
        fails: bool,
        parked: Mutex<Vec<(String, Value)>>,
    }

    impl DeadLetters for &FakeDeadLetters {
        async fn park(&self, row: &Inserted<'_>, note: &ParkNote<'_>) -> Result<(), NotParked> {
            if self.fails {
                return Err(NotParked("told to fail".into()));
            }
            let body = row.event.as_ref().map_or(row.raw, |event| &event.body);
            let note = serde_json::to_value(note).unwrap();
            self.parked.lock().unwrap().push((body.to_owned(), note));
            Ok(())
        }
    }

    fn record(id: usize, kind: &str, body: &str) -> Value {
        json!({
            "eventID": format!("record-{id}"), "eventName": "INSERT", "eventSourceARN": "arn:stream",
            "dynamodb": {
                "Keys": { "pk": { "S": "outbox#2026110209#1" }, "sk": { "S": format!("event-{id}") } },
                "NewImage": { "type": { "S": kind }, "version": { "N": "1" }, "group": { "S": "user" },
                              "correlationId": { "S": "c" }, "body": { "S": body } },
            },
        })
    }

    fn command(id: usize, to: &str) -> Value {
        let mut record = record(id, "thing.do", &format!("{{\"n\":{id}}}"));
        record["dynamodb"]["NewImage"]["to"] = json!({ "S": to });
        record
    }

    fn batch(records: &[Value]) -> String {
        json!({ "Records": records }).to_string()
    }

    async fn relay(
        topic: &FakeTopic,
        dead_letters: &FakeDeadLetters,
        payload: &str,
    ) -> Result<(), RelayError> {
        relay_to(topic, &FakeQueues::default(), dead_letters, payload).await
    }

    async fn relay_to(
        topic: &FakeTopic,
        queues: &FakeQueues,
        dead_letters: &FakeDeadLetters,
        payload: &str,
    ) -> Result<(), RelayError> {
        Relay::new(topic, queues, &FakeScheduler::default(), dead_letters)
            .handle(payload, &Invocation::default())
            .await
    }

    #[tokio::test]
    async fn what_is_published_is_the_row_byte_for_byte_in_order() {
        let (topic, dead_letters) = (FakeTopic::default(), FakeDeadLetters::default());
        let bodies: Vec<String> = (0..25).map(|n| format!("{{ \"n\" :\t{n}}}")).collect();
        let records: Vec<Value> = bodies
            .iter()
            .enumerate()
            .map(|(n, body)| record(n, "a.b", body))
            .collect();
        relay(&topic, &dead_letters, &batch(&records))
            .await
            .unwrap();
        assert_eq!(*topic.published.lock().unwrap(), bodies);
        assert_eq!(*topic.calls.lock().unwrap(), 3);
    }

    #[tokio::test]
    async fn what_can_never_be_published_is_parked_by_itself_with_its_reason() {
        let (topic, dead_letters) = (FakeTopic::default(), FakeDeadLetters::default());
        let refusal = Fate::Unpublishable("InvalidParameter: type".into());
        topic.refuses.lock().unwrap().push(("bad", refusal));
        let mut no_body = record(2, "a.b", "");
        no_body["dynamodb"]["NewImage"]["body"].take();
        let huge = record(3, "a.b", &"x".repeat(MOST_BYTES));
        let records = [
            record(0, "good", "{}"),
            record(1, "bad", "{1}"),
            no_body,
            huge,
        ];
        relay(&topic, &dead_letters, &batch(&records))
            .await
            .unwrap();
        assert_eq!(*topic.published.lock().unwrap(), ["{}"]);

        let parked = dead_letters.parked.lock().unwrap();
        let notes: HashSet<(&str, &str)> = parked
            .iter()
            .map(|(_, note)| {
                let text = |name: &str| note[name].as_str().unwrap();
                (text("eventId"), text("reason"))
            })
            .collect();
        let expected = HashSet::from([
            ("event-1", "unpublishable"),
            ("event-2", "malformed"),
            ("event-3", "unpublishable"),
        ]);
        assert_eq!((notes, parked.len()), (expected, 3));
        let (body, note) = parked
            .iter()
            .find(|(_, note)| note["eventId"] == "event-1")
            .unwrap();
        assert_eq!(body, "{1}");
        assert_eq!(note["detail"], "InvalidParameter: type");
        assert_eq!(note["type"], "bad");
    }

    #[tokio::test]
    async fn a_command_goes_to_its_queue_alone_and_an_event_to_the_topic_alone() {
        let (topic, queues) = (FakeTopic::default(), FakeQueues::default());
        let mut records: Vec<Value> = (0..12).map(|n| command(n, "invoices")).collect();
        records.insert(3, record(12, "a.b", "{}"));
        records.insert(7, command(13, "invoices-urgent"));
        let payload = batch(&records);
        relay_to(&topic, &queues, &FakeDeadLetters::default(), &payload)
            .await
            .unwrap();
        assert_eq!(*topic.published.lock().unwrap(), ["{}"]);
        let sent = queues.sent.lock().unwrap();
        let calls: Vec<_> = sent
            .iter()
            .map(|(to, all)| (to.as_str(), all.len()))
            .collect();
        assert_eq!(
            calls,
            [("invoices", 10), ("invoices", 2), ("invoices-urgent", 1)]
        );
        assert_eq!(sent[2].1, [r#"{"n":13}"#]);
    }

    #[tokio::test]
    async fn what_a_queue_can_keep_waits_there_and_the_rest_with_the_scheduler() {
        let (topic, queues) = (FakeTopic::default(), FakeQueues::default());
        let (scheduler, dead_letters) = (FakeScheduler::default(), FakeDeadLetters::default());
        let invocation = Invocation::default();
        let now = invocation.clock.now();
        let timed = |id, attributes: &[(&str, Value)]| {
            let mut command = command(id, "later");
            for (name, value) in attributes {
                command["dynamodb"]["NewImage"][name] = value.clone();
            }
            command
        };
        let due = |after: u64| ("due", json!({ "N": (now + after).to_string() }));
        let named = |name: &str| ("schedule", json!({ "S": name }));
        let mut for_nobody = timed(8, &[due(0)]);
        for_nobody["dynamodb"]["NewImage"]["to"] = Value::Null;
        let payload = batch(&[
            timed(0, &[due(800_000)]),
            timed(1, &[due(2_000_000)]),
            timed(2, &[due(60_000), named("a")]),
            timed(3, &[("due", json!({ "N": "1" })), named("late")]),
            timed(4, &[("cancels", json!({ "S": "a" }))]),
            timed(5, &[named("when?")]),
            timed(6, &[("due", json!({ "S": "soon" }))]),
            for_nobody,
        ]);
        let relay = Relay::new(&topic, &queues, &scheduler, &dead_letters).log_to(|_| {});
        relay.handle(&payload, &invocation).await.unwrap();
        let sent = queues.sent.lock().unwrap().clone();
        let bodies = [0, 3].map(|n| format!("{{\"n\":{n}}}")).to_vec();
        assert_eq!(sent, [("later".to_owned(), bodies)]);
        assert_eq!(
            *scheduler.told.lock().unwrap(),
            [
                format!("event-1 for later at {}: {{\"n\":1}}", now + 2_000_000),
                format!("a for later at {}: {{\"n\":2}}", now + 60_000),
                "forget a".to_owned(),
            ]
        );
        assert!(topic.published.lock().unwrap().is_empty());
        assert_eq!(dead_letters.parked.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_command_for_an_unknown_queue_is_parked_and_hurts_nobody_else() {
        let (topic, queues) = (FakeTopic::default(), FakeQueues::default());
        let dead_letters = FakeDeadLetters::default();
        let nowhere = crate::queues::unknown("nowhere");
        queues.refuses.lock().unwrap().push(("nowhere", nowhere));
        let payload = batch(&[command(0, "nowhere"), command(1, "known")]);
        relay_to(&topic, &queues, &dead_letters, &payload)
            .await
            .unwrap();
        assert_eq!(queues.sent.lock().unwrap().len(), 1);
        let parked = dead_letters.parked.lock().unwrap();
        assert_eq!(parked.len(), 1);
        let note = &parked[0].1;
        assert_eq!(
            (&note["eventId"], &note["reason"]),
            (&json!("event-0"), &json!("unpublishable"))
        );
        assert!(note["detail"].as_str().unwrap().contains("\"nowhere\""));
    }

    #[tokio::test]
    async fn a_queue_that_fails_brings_the_batch_back_after_everything_was_tried() {
        let (topic, queues) = (FakeTopic::default(), FakeQueues::default());
        let failure = Fate::Failed("OverLimit".into());
        queues.refuses.lock().unwrap().push(("full", failure));
        let payload = batch(&[
            command(0, "full"),
            command(1, "known"),
            record(2, "a.b", "{}"),
        ]);
        let dead_letters = FakeDeadLetters::default();
        let error = relay_to(&topic, &queues, &dead_letters, &payload)
            .await
            .unwrap_err();
        assert!(
            matches!(error, RelayError::NotPublished { events: 1, .. }),
            "{error}"
        );
        assert_eq!(queues.sent.lock().unwrap().len(), 1);
        assert_eq!(topic.published.lock().unwrap().len(), 1);
        assert!(dead_letters.parked.lock().unwrap().is_empty());
    }

    /// A topic that is a while on its way, and counts how many calls it has at once.
    #[derive(Default)]
    struct SlowTopic {
        now: Mutex<usize>,
        most: Mutex<usize>,
    }

    impl Topic for &SlowTopic {
        async fn publish(&self, events: &[&Event<'_>]) -> Vec<Fate> {
            {
                let mut now = self.now.lock().unwrap();
                *now += 1;
                let mut most = self.most.lock().unwrap();
                *most = now.max(*most);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            *self.now.lock().unwrap() -= 1;
            vec![Fate::Published; events.len()]
        }
    }

    #[tokio::test(start_paused = true)]
    async fn several_calls_are_made_at_once_but_not_too_many() {
        let topic = SlowTopic::default();
        let records: Vec<Value> = (0..200).map(|n| record(n, "a.b", "{}")).collect();
        let start = tokio::time::Instant::now();
        Relay::new(
            &topic,
            &FakeQueues::default(),
            &FakeScheduler::default(),
            &FakeDeadLetters::default(),
        )
        .handle(&batch(&records), &Invocation::default())
        .await
        .unwrap();
        assert_eq!(*topic.most.lock().unwrap(), CALLS_AT_ONCE);
        assert!(start.elapsed() < Duration::from_millis(20 * 50 / 2));
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_is_parked_and_does_not_hold_up_its_shard() {
        let (topic, dead_letters) = (FakeTopic::default(), FakeDeadLetters::default());
        let mut bad = record(0, "a.b", "{}");
        bad["dynamodb"]["Keys"].take();
        relay(
            &topic,
            &dead_letters,
            &batch(&[bad, record(1, "a.b", "{}")]),
        )
        .await
        .unwrap();
        assert_eq!(topic.published.lock().unwrap().len(), 1);
        let (body, note) = &dead_letters.parked.lock().unwrap()[0];
        assert!(body.contains("NewImage"));
        assert_eq!(
            (&note["reason"], &note["eventId"]),
            (&json!("malformed"), &Value::Null)
        );
        assert_eq!(note["messageId"], "record-0");
        let detail = note["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("dynamodb.Keys: expected an object"),
            "{detail}"
        );
    }

    #[tokio::test]
    async fn what_failed_brings_the_batch_back_after_everything_was_tried() {
        let (topic, dead_letters) = (FakeTopic::default(), FakeDeadLetters::default());
        let failure = Fate::Failed("InternalError".into());
        let refusal = Fate::Unpublishable("InvalidParameter".into());
        *topic.refuses.lock().unwrap() = vec![("later", failure), ("bad", refusal)];
        let mut records: Vec<Value> = (0..12).map(|n| record(n, "good", "{}")).collect();
        records.insert(0, record(12, "later", "{}"));
        records.insert(1, record(13, "bad", "{}"));
        let payload = batch(&records);
        let error = relay(&topic, &dead_letters, &payload).await.unwrap_err();
        assert!(
            matches!(error, RelayError::NotPublished { events: 1, .. }),
            "{error}"
        );
        assert_eq!(topic.published.lock().unwrap().len(), 12);
        assert!(dead_letters.parked.lock().unwrap().is_empty());

        // The outage ends: the same batch comes again, and the hopeless one is parked, once.
        topic.refuses.lock().unwrap().remove(0);
        relay(&topic, &dead_letters, &payload).await.unwrap();
        assert_eq!(dead_letters.parked.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_failed_park_brings_the_batch_back() {
        let topic = FakeTopic::default();
        let dead_letters = FakeDeadLetters {
            fails: true,
            ..FakeDeadLetters::default()
        };
        let payload = include_str!("../../../events/relay/malformed.json");
        let error = relay(&topic, &dead_letters, payload).await.unwrap_err();
        assert!(matches!(error, RelayError::NotParked(_)), "{error}");
    }

    #[tokio::test]
    async fn a_topic_that_does_not_answer_brings_the_batch_back_in_time() {
        let topic = FakeTopic {
            hangs: true,
            ..FakeTopic::default()
        };
        let invocation = Invocation {
            deadline: tokio::time::Instant::now() + MARGIN + Duration::from_millis(10),
            ..Invocation::default()
        };
        let payload = batch(&[record(0, "a.b", "{}")]);
        let error = Relay::new(
            &topic,
            &FakeQueues::default(),
            &FakeScheduler::default(),
            &FakeDeadLetters::default(),
        )
        .handle(&payload, &invocation)
        .await
        .unwrap_err();
        assert!(matches!(error, RelayError::OutOfTime), "{error}");
        assert!(tokio::time::Instant::now() < invocation.deadline);
    }

    #[tokio::test]
    async fn a_batch_without_outbox_rows_costs_no_call() {
        let (topic, dead_letters) = (FakeTopic::default(), FakeDeadLetters::default());
        let mut modified = record(0, "a.b", "{}");
        modified["eventName"] = "MODIFY".into();
        relay(&topic, &dead_letters, &batch(&[modified]))
            .await
            .unwrap();
        assert_eq!(*topic.calls.lock().unwrap(), 0);
    }
}
