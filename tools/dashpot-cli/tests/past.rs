//! What the commands make of the past, against a stack that has a journal and analytics' table, bucket and queue, and no functions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod running;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use analytics::s3::S3;
use dashpot::{DynamoStore, Invocation, Recovery};
use dashpot_testing::{Delivery, RecordingQueue, sqs_event};
use running::Running;
use serde_json::{Value, json};

const HOUR: u64 = 3_600_000;

/// 2024-11-24T12:00:00Z.
const NOON: u64 = 1_732_449_600_000;

#[tokio::test]
async fn the_past_is_plotted_recounted_and_replayed() {
    let running = Running::start("past").await;
    what_was_counted_is_plotted_and_recounted(&running).await;
    a_replay_that_is_killed_goes_on_where_it_was(&running).await;
}

fn table(running: &Running, id: &str) -> DynamoStore {
    let target = running.stack.target();
    DynamoStore::new(target.config(), target.resources().id(id).unwrap())
}

fn body(id: &str, name: &str, at: u64, payload: &Value) -> String {
    let metadata = json!({
        "id": id, "timestamp": at, "correlationId": "c", "version": if name == "order.placed" { 2 } else { 1 },
        "subject": payload["orderId"], "hops": 0,
    });
    json!({ "type": name, "payload": payload, "metadata": metadata }).to_string()
}

fn placed(id: &str, at: u64, amount: u64, currency: &str) -> String {
    let total = json!({ "amount": amount, "currency": currency });
    let payload =
        json!({ "orderId": format!("o-{id}"), "userId": "u", "total": total, "items": [] });
    body(id, "order.placed", at, &payload)
}

/// Tells events to the journal, and to analytics unless they are only filed.
async fn tell(running: &Running, bodies: &[String], only_filed: bool) {
    let queue = RecordingQueue::new();
    let deliveries = bodies.iter().enumerate();
    let deliveries: Vec<Delivery> = deliveries
        .map(|(n, body)| Delivery::new(format!("m-{n}"), body))
        .collect();
    let (events, invocation) = (sqs_event("any", &deliveries), Invocation::default());
    let journal = journal::consumer(table(running, "JournalTable"), &queue, Recovery::default());
    let answer = journal
        .log_to(|_| ())
        .handle_batch(&events, &invocation)
        .await;
    assert!(answer.unwrap().batch_item_failures.is_empty());
    if !only_filed {
        let target = running.stack.target();
        let s3 = S3::new(
            target.config(),
            target.resources().id("AnalyticsBucket").unwrap(),
        );
        let store = table(running, "AnalyticsTable");
        let analytics = analytics::consumer(store, s3, &queue, Recovery::default());
        let answer = analytics
            .log_to(|_| ())
            .handle_batch(&events, &invocation)
            .await;
        assert!(answer.unwrap().batch_item_failures.is_empty());
    }
    assert!(queue.parked().is_empty());
}

async fn what_was_counted_is_plotted_and_recounted(running: &Running) {
    let failed = json!({ "orderId": "o-a", "userId": "u", "reason": "card_declined" });
    let events = [
        placed("a", NOON, 4999, "EUR"),
        placed("b", NOON + 1, 1, "EUR"),
        placed("c", NOON + 2 * HOUR, 700, "USD"),
        body("d", "payment.failed", NOON + 2 * HOUR, &failed),
    ];
    tell(running, &events, false).await;
    let svg = running.directory.join("stats.svg");
    let (from, until) = ("2024-11-24T12:00:00Z", "2024-11-24T15:00:00Z");
    let stats = ["stats", "--from", from, "--until", until, "--recount"];
    let drawn = [&stats[..], &["--svg", svg.to_str().unwrap()]].concat();

    assert_eq!(
        running.json(&drawn),
        json!({
            "by": "hour",
            "periods": [
                { "period": "2024-11-24T12", "orders": 2, "failures": 0, "revenue": [{ "amount": 5000, "currency": "EUR" }] },
                { "period": "2024-11-24T13", "orders": 0, "failures": 0, "revenue": [] },
                { "period": "2024-11-24T14", "orders": 1, "failures": 1, "revenue": [{ "amount": 700, "currency": "USD" }] },
            ],
            "recount": { "events": 4, "archived": 4, "differences": [] },
        })
    );
    assert!(
        std::fs::read_to_string(&svg)
            .unwrap()
            .contains("2024-11-24 12:00: 50.00 EUR")
    );
    let days = running.json(&["stats", "--by", "day", "--from", from, "--until", until]);
    assert_eq!(days["periods"][0]["orders"], 3);
    let shown = running.dashpot(&stats);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("2024-11-24 14:00  1 ███████"), "{shown}");
    assert!(
        shown.contains("equal: the totals and 4 archived events"),
        "{shown}"
    );

    tell(running, &[placed("e", NOON + HOUR, 1, "EUR")], true).await;
    let output = running.dashpot(&[&stats[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let differences = &report["recount"]["differences"];
    assert_eq!(differences.as_array().unwrap().len(), 1, "{report}");
    assert_eq!(differences[0]["period"], "2024-11-24T13");
    assert_eq!(
        differences[0]["differs"][0],
        "0 events in the archive, 1 in the journal"
    );
}

/// How far the one replay has come that is under way: the last hour that it sent as a whole.
fn cursor(running: &Running) -> Option<u64> {
    let files = std::fs::read_dir(&running.directory).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    let path = paths.find(|it| {
        it.extension().is_some_and(|it| it == "json") && it.to_str().unwrap().contains("replay-")
    })?;
    let (hour, _): (u64, u64) = serde_json::from_str(&std::fs::read_to_string(path).ok()?).unwrap();
    Some(hour)
}

async fn a_replay_that_is_killed_goes_on_where_it_was(running: &Running) {
    const EACH: u64 = 100;
    const HOURS: u64 = 6;
    let begun = NOON + 240 * HOUR;
    let bodies =
        (0..EACH * HOURS).map(|n| placed(&format!("r-{n}"), begun + n * HOUR / EACH, 1, "EUR"));
    let bodies: Vec<String> = bodies.collect();
    for some in bodies.chunks(100) {
        tell(running, some, true).await;
    }
    let replay = [
        "replay",
        "--to",
        "analytics",
        "--from",
        "2024-12-04T12:00:00Z",
        "--until",
        "2024-12-04T18:00:00Z",
        "--rate",
        "200",
        "--yes",
        "--json",
    ];
    let mut child = running
        .command(&replay)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while cursor(running).is_none_or(|hour| hour < begun + HOUR) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ends before it can be killed"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let come = cursor(running).unwrap();
    let before = (come + HOUR - begun) / HOUR * EACH;
    assert!(before < EACH * HOURS, "it ended before it was killed");

    let went_on = running.json(&replay[..replay.len() - 1]);
    assert_eq!(went_on["sentBefore"], before);
    assert_eq!(went_on["sent"], EACH * HOURS - before);
    assert_eq!(cursor(running), None);

    let received = received(running).await;
    let times = (0..EACH * HOURS).map(|n| received.get(&format!("r-{n}")).copied());
    let times: Vec<u64> = times.map(Option::unwrap_or_default).collect();
    let (whole, others) = times.split_at(usize::try_from(before).unwrap());
    assert!(
        whole.iter().all(|times| *times == 1),
        "an hour that was sent as a whole is sent again"
    );
    assert!(
        others.iter().all(|times| (1..=2).contains(times)),
        "{others:?}"
    );
    assert_eq!(received.len(), bodies.len(), "something else was sent");
}

/// Takes everything out of analytics' queue: how often each event was there, by its id.
async fn received(running: &Running) -> BTreeMap<String, u64> {
    let target = running.stack.target();
    let sqs = aws_sdk_sqs::Client::new(target.config());
    let queue = target.resources().id("AnalyticsQueue").unwrap();
    let mut received = BTreeMap::new();
    loop {
        let request = sqs
            .receive_message()
            .queue_url(queue)
            .max_number_of_messages(10);
        let messages = request.send().await.unwrap().messages.unwrap_or_default();
        if messages.is_empty() {
            return received;
        }
        for message in messages {
            let event: Value = serde_json::from_str(&message.body.unwrap()).unwrap();
            let id = event["metadata"]["id"].as_str().unwrap().to_owned();
            *received.entry(id).or_default() += 1;
        }
    }
}
