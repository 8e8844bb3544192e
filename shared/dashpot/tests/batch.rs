//! What becomes of a batch: every message is exactly one of done, failed, parked.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use std::time::Duration;

use dashpot::{
    Consumer, Context, Envelope, Failure, FromMessage, Handler, InvalidEvent, Invocation, Message,
    Recovery, Undecodable, from_fn,
};
use dashpot_testing::{Delivery, RecordingQueue, sqs_event};
use proptest::prelude::*;
use serde_json::json;
use shop::{Incoming, Log, delivery, invocation};
use tokio::time::Instant;

/// Does what the event says.
struct Obedient;

impl Handler<Envelope<Incoming>> for Obedient {
    type Output = ();

    async fn handle(&self, event: Envelope<Incoming>, _: &Context) -> Result<(), Failure> {
        let Incoming::Bought(bought) = event.payload;
        match bought.what.as_str() {
            "fail" => Err(Failure::retry("the other side is away")),
            "wait" => Err(Failure::retry_after(Duration::from_secs(7), "busy")),
            "hopeless" => Err(Failure::permanent("no such thing")),
            "panic" => panic!("a bug"),
            "hang" => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

fn consumer(queue: &RecordingQueue) -> Consumer<Obedient, Envelope<Incoming>, &RecordingQueue> {
    Consumer::<_, Envelope<Incoming>>::new("shipping", Obedient)
        .recovering(queue)
        .log_to(|_| {})
}

async fn failures(queue: &RecordingQueue, deliveries: &[Delivery]) -> Vec<String> {
    let event = sqs_event("shipping", deliveries);
    let response = consumer(queue)
        .handle_batch(&event, &invocation())
        .await
        .unwrap();
    let mut ids: Vec<String> = response
        .batch_item_failures
        .into_iter()
        .map(|failure| failure.item_identifier)
        .collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn the_answer_has_exactly_the_keys_that_lambda_reads() {
    let event = sqs_event("shipping", &[delivery("a", "fail"), delivery("b", "ok")]);
    let queue = RecordingQueue::new();
    let response = consumer(&queue)
        .handle_batch(&event, &invocation())
        .await
        .unwrap();
    // A misspelt key would mean "all succeeded", and delete what failed.
    assert_eq!(
        serde_json::to_string(&response).unwrap(),
        r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#
    );
    let none = consumer(&queue)
        .handle_batch(r#"{"Records":[]}"#, &invocation())
        .await
        .unwrap();
    assert_eq!(
        serde_json::to_string(&none).unwrap(),
        r#"{"batchItemFailures":[]}"#
    );
}

#[tokio::test]
async fn only_what_failed_comes_back_and_only_after_its_delay() {
    let queue = RecordingQueue::new();
    let batch = [
        delivery("a", "ok"),
        delivery("b", "fail"),
        delivery("c", "wait"),
        delivery("d", "ok"),
    ];
    assert_eq!(failures(&queue, &batch).await, ["b", "c"]);
    let mut delayed = queue.delayed();
    delayed.sort();
    assert_eq!(delayed[1], ("receipt-c".into(), Duration::from_secs(7)));
    let (receipt, delay) = &delayed[0];
    assert_eq!(receipt, "receipt-b");
    assert!((15..=30).contains(&delay.as_secs()), "{delay:?}");
    assert!(queue.parked().is_empty());
}

#[tokio::test]
async fn a_bad_body_is_parked_with_its_reason_and_its_neighbours_are_done() {
    let queue = RecordingQueue::new();
    let batch = [
        delivery("a", "ok"),
        Delivery::new("bad", "{\"type\":").attribute("redrives", "2"),
        Delivery::new("empty", ""),
        delivery("hopeless", "hopeless")
            .attempt(2)
            .first_received_ago(60),
    ];
    assert!(failures(&queue, &batch).await.is_empty());
    let mut parked = queue.parked();
    parked.sort_by(|a, b| a.message_id.cmp(&b.message_id));
    let reasons: Vec<_> = parked
        .iter()
        .map(|parked| parked.note["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["malformed", "malformed", "permanent"]);
    assert_eq!(parked[0].body, "{\"type\":");
    assert_eq!(parked[0].note["redrives"], 2);
    let note = &parked[2].note;
    assert_eq!(note["consumer"], "shipping");
    assert_eq!(
        note["sourceQueue"],
        "arn:aws:sqs:eu-central-1:123456789012:shipping"
    );
    assert_eq!(note["eventId"], "event-hopeless");
    assert_eq!(note["type"], "thing.bought");
    assert_eq!(note["attempts"], 2);
    assert_eq!(note["detail"], "no such thing");
    assert!(note["parkedAt"].as_u64() >= note["firstSeen"].as_u64().map(|seen| seen + 59_000));
}

#[tokio::test]
async fn a_failed_park_falls_back_to_redelivery() {
    let queue = RecordingQueue::new();
    queue.fail(true);
    assert_eq!(
        failures(&queue, &[Delivery::new("bad", "x"), delivery("a", "ok")]).await,
        ["bad"]
    );
}

#[tokio::test]
async fn without_a_queue_a_bad_body_is_reported_and_left_to_the_redrive_policy() {
    let consumer = Consumer::<_, Envelope<Incoming>>::new("shipping", Obedient).log_to(|_| {});
    let event = sqs_event(
        "shipping",
        &[Delivery::new("bad", "x"), delivery("a", "ok")],
    );
    let response = consumer.handle_batch(&event, &invocation()).await.unwrap();
    assert_eq!(response.batch_item_failures.len(), 1);
    assert_eq!(response.batch_item_failures[0].item_identifier, "bad");
}

#[tokio::test]
async fn a_panic_is_one_failed_message_and_a_lasting_one_is_parked() {
    let queue = RecordingQueue::new();
    assert_eq!(
        failures(&queue, &[delivery("a", "panic"), delivery("b", "ok")]).await,
        ["a"]
    );
    assert!(
        failures(&queue, &[delivery("a", "panic").attempt(5)])
            .await
            .is_empty()
    );
    let parked = queue.parked();
    assert_eq!(parked[0].note["reason"], "panic");
    assert_eq!(parked[0].note["detail"], "the handler panicked: a bug");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_with_what_it_belongs_to() {
    let (queue, log) = (RecordingQueue::new(), Log::default());
    let body =
        r#"{"type":"thing.bought","payload":{},"metadata":{"id":"e","correlationId":"req-9"}}"#;
    consumer(&queue)
        .log_to(log.sink())
        .handle_batch(
            &sqs_event("shipping", &[Delivery::new("m", body)]),
            &invocation(),
        )
        .await
        .unwrap();
    let line = &log.lines()[0];
    assert_eq!(
        (&line["correlation_id"], &line["event_id"]),
        (&json!("req-9"), &json!("e"))
    );
}

#[tokio::test]
async fn what_is_not_known_yet_is_waited_for_as_long_as_a_deployment_takes() {
    let unknown = |id: &str| {
        Delivery::new(
            id,
            r#"{"type":"thing.lent","payload":{},"metadata":{"version":1}}"#,
        )
    };
    let queue = RecordingQueue::new();
    let batch = [
        unknown("young").first_received_ago(60),
        unknown("old").first_received_ago(3600),
    ];
    assert_eq!(failures(&queue, &batch).await, ["young"]);
    assert_eq!(queue.parked()[0].message_id, "old");
    assert_eq!(queue.parked()[0].note["reason"], "not_yet_known");
}

#[tokio::test]
async fn what_fails_for_too_long_is_parked_for_its_age_not_for_its_count() {
    let queue = RecordingQueue::new();
    let six_hours = 6 * 3600;
    let batch = [
        delivery("old", "fail").first_received_ago(six_hours),
        delivery("young", "fail")
            .attempt(2)
            .first_received_ago(six_hours - 60),
    ];
    assert_eq!(failures(&queue, &batch).await, ["young"]);
    assert_eq!(queue.parked()[0].note["reason"], "expired");
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_everything_unsettled_is_reported_and_the_rest_stays_done() {
    let queue = RecordingQueue::new();
    let batch = [
        delivery("a", "ok"),
        delivery("slow", "hang"),
        delivery("b", "ok"),
    ];
    let start = Instant::now();
    let invocation = Invocation {
        deadline: start + Duration::from_secs(5),
        ..Invocation::default()
    };
    let event = sqs_event("shipping", &batch);
    let response = consumer(&queue)
        .handle_batch(&event, &invocation)
        .await
        .unwrap();
    assert_eq!(response.batch_item_failures[0].item_identifier, "slow");
    assert_eq!(response.batch_item_failures.len(), 1);
    assert!(
        Instant::now() < invocation.deadline,
        "the answer is on its way in time"
    );
    assert_eq!(queue.delayed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_always_runs_out_of_time_is_parked_for_its_age() {
    let queue = RecordingQueue::new();
    let batch = [delivery("slow", "hang").first_received_ago(7 * 3600)];
    assert!(failures(&queue, &batch).await.is_empty());
    assert_eq!(queue.parked()[0].note["reason"], "expired");
}

#[tokio::test(start_paused = true)]
async fn what_never_had_its_turn_comes_back_as_it_was() {
    let queue = RecordingQueue::new();
    let event = sqs_event(
        "shipping",
        &[
            delivery("slow", "hang"),
            delivery("late", "ok").first_received_ago(7 * 3600),
        ],
    );
    let response = consumer(&queue)
        .concurrency(1)
        .handle_batch(&event, &invocation())
        .await
        .unwrap();
    assert_eq!(response.batch_item_failures.len(), 2);
    assert!(queue.parked().is_empty());
}

#[tokio::test]
async fn a_record_whose_body_is_no_text_is_malformed_and_its_neighbours_are_done() {
    for body in ["null", "7", r#"{"type":"thing.bought"}"#, r#""\ud800""#] {
        let good = sqs_event("shipping", &[delivery("a", "ok"), delivery("b", "fail")]);
        let bad = format!(r#"{{"messageId":"bad","body":{body}}}"#);
        let event = good.replacen("[{", &format!("[{bad},{{"), 1);
        let queue = RecordingQueue::new();
        let response = consumer(&queue)
            .handle_batch(&event, &invocation())
            .await
            .unwrap();
        assert_eq!(response.batch_item_failures.len(), 1, "{body}");
        assert_eq!(response.batch_item_failures[0].item_identifier, "b");
        let parked = &queue.parked()[0];
        assert_eq!((&*parked.message_id, &*parked.body), ("bad", body));
        assert_eq!(parked.note["reason"], "malformed");
        assert_eq!(parked.note["detail"], "body: expected a string");
    }
}

#[tokio::test]
async fn what_is_no_sqs_event_fails_as_a_whole() {
    let queue = RecordingQueue::new();
    for payload in ["{}", "[]", "", r#"{"Records":[{"body":"x"}]}"#] {
        let answer = consumer(&queue).handle_batch(payload, &invocation()).await;
        assert!(matches!(answer, Err(InvalidEvent::Shape(_))), "{payload}");
    }
    let nameless = r#"{"Records":[{"messageId":"","body":"x"}]}"#;
    let answer = consumer(&queue).handle_batch(nameless, &invocation()).await;
    assert!(matches!(answer, Err(InvalidEvent::NoMessageId)));
}

#[tokio::test]
async fn the_log_tells_everything_but_a_body() {
    let (queue, log) = (RecordingQueue::new(), Log::default());
    let batch = [
        delivery("a", "ok"),
        delivery("b", "fail"),
        Delivery::new("c", "secret-word"),
    ];
    let invocation = Invocation {
        request_id: "request-1".into(),
        ..Invocation::default()
    };
    consumer(&queue)
        .log_to(log.sink())
        .handle_batch(&sqs_event("shipping", &batch), &invocation)
        .await
        .unwrap();
    assert!(!log.text().contains("secret-word"), "{}", log.text());
    let lines = log.lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["event_id"], "event-b");
    assert_eq!(lines[0]["correlation_id"], "req-1");
    assert_eq!(lines[0]["detail"], "the other side is away");
    assert_eq!(lines[1]["reason"], "malformed");
    let summary = &lines[2];
    for (name, count) in [
        ("received", 3),
        ("processed", 1),
        ("failed", 1),
        ("parked", 1),
        ("duplicates", 0),
    ] {
        assert_eq!(summary[name], count, "{name}");
    }
    assert_eq!(summary["request_id"], "request-1");
    let group = &summary["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(group["Namespace"], "Dashpot");
    assert_eq!(
        group["Dimensions"],
        json!([["service"], ["service", "version"]])
    );
    for metric in group["Metrics"].as_array().unwrap() {
        let name = metric["Name"].as_str().unwrap();
        assert!(!summary[name].is_null(), "{name} has a value");
    }
    assert_eq!(summary["dwellTime"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_metric_never_has_more_values_in_a_line_than_cloudwatch_takes() {
    let (queue, log) = (RecordingQueue::new(), Log::default());
    let batch: Vec<_> = (0..250).map(|n| delivery(&n.to_string(), "ok")).collect();
    consumer(&queue)
        .log_to(log.sink())
        .handle_batch(&sqs_event("shipping", &batch), &invocation())
        .await
        .unwrap();
    let values = |line: &serde_json::Value| line["handlerDuration"].as_array().map_or(0, Vec::len);
    let counts: Vec<usize> = log.lines().iter().map(values).collect();
    assert_eq!(counts, [100, 100, 50]);
    let received = log
        .lines()
        .iter()
        .filter(|line| line["received"] == 250)
        .count();
    assert_eq!(received, 1);
}

#[test]
fn the_backstop_outlasts_the_park_age_at_minimum_jitter() {
    let recovery = Recovery::default();
    let mut age = Duration::ZERO;
    for attempt in 1..60 {
        let problem = dashpot::Problem::Failed(dashpot::Disposition::Retry);
        match recovery.decide(problem, attempt, age, 0.0) {
            dashpot::Verdict::Delay(delay) => age += delay,
            dashpot::Verdict::Park(_) => return,
        }
    }
    panic!("60 receives end after {age:?}, before the message is parked");
}

fn any_delivery(n: usize) -> impl Strategy<Value = Delivery> {
    let body = prop_oneof![
        Just(None),
        ".{0,40}".prop_map(Some),
        Just(Some(
            r#"{"type":"thing.lent","payload":{},"metadata":{}}"#.to_owned()
        )),
    ];
    let what = prop::sample::select(vec!["ok", "fail", "wait", "hopeless", "panic"]);
    (body, what, 1..8_u32, 0..100_000_u64).prop_map(move |(body, what, attempt, ago)| {
        let id = format!("m-{n}");
        let body = body.unwrap_or_else(|| shop::bought(&id, what));
        Delivery::new(id, body)
            .attempt(attempt)
            .first_received_ago(ago)
    })
}

fn any_batch() -> impl Strategy<Value = Vec<Delivery>> {
    (0..12_usize).prop_flat_map(|size| (0..size).map(any_delivery).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_answer_names_messages_of_the_batch_each_once_and_never_an_empty_one(
        batch in any_batch(),
        queue_fails: bool,
    ) {
        let queue = RecordingQueue::new();
        queue.fail(queue_fails);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let failed = runtime.block_on(failures(&queue, &batch));
        let sent: Vec<String> = (0..batch.len()).map(|n| format!("m-{n}")).collect();
        let mut once = failed.clone();
        once.dedup();
        prop_assert_eq!(&once, &failed);
        prop_assert!(failed.iter().all(|id| sent.contains(id)));
        // Parked means acknowledged, and never both.
        for parked in queue.parked() {
            prop_assert!(!failed.contains(&parked.message_id));
        }
    }
}

/// What cannot even be looked at without a panic.
struct Fragile;

impl FromMessage for Fragile {
    fn from_message(message: &Message<'_>) -> Result<Self, Undecodable> {
        assert!(message.content() != "bug", "a bug in reading");
        Ok(Self)
    }
}

#[tokio::test]
async fn a_panic_while_reading_is_one_failed_message_as_well() {
    let queue = RecordingQueue::new();
    let handler = from_fn(|_: Fragile| async { Ok::<(), Failure>(()) });
    let consumer = Consumer::<_, Fragile>::new("shipping", handler)
        .recovering(&queue)
        .log_to(|_| {});
    for (attempt, failed) in [(1, vec!["b"]), (5, vec![])] {
        let deliveries = [
            Delivery::new("a", "ok"),
            Delivery::new("b", "bug").attempt(attempt),
        ];
        let event = sqs_event("shipping", &deliveries);
        let response = consumer.handle_batch(&event, &invocation()).await.unwrap();
        let ids: Vec<_> = response
            .batch_item_failures
            .iter()
            .map(|failure| failure.item_identifier.as_str())
            .collect();
        assert_eq!(ids, failed, "attempt {attempt}");
    }
    assert_eq!(queue.parked()[0].note["reason"], "panic");
}

#[tokio::test]
async fn what_is_no_event_of_sqs_is_not_quoted() {
    let queue = RecordingQueue::new();
    let error = consumer(&queue)
        .handle_batch(r#"{"Records":"ada@example.com"}"#, &invocation())
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("ada"), "{error}");
}
