//! Which batches a function is invoked with.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashpot_testing::{
    Function, FunctionError, MappingRefused, Outgoing, QueueSettings, SimQueue, SqsMapping,
    function,
};
use serde_json::Value;
use tokio::time::{Instant, advance, sleep};

use crate::answers::reporting;
use crate::queue::{SECOND, standard};

/// When it was invoked, and with which bodies.
type Seen = Arc<Mutex<Vec<(Duration, Vec<String>)>>>;

fn bodies(event: &str) -> Vec<String> {
    let event: Value = serde_json::from_str(event).unwrap();
    let records = event["Records"].as_array().unwrap().iter();
    records
        .map(|record| record["body"].as_str().unwrap().to_owned())
        .collect()
}

/// Takes so long, and deletes everything.
fn witness(seen: &Seen, start: Instant, takes: Duration) -> impl Function + use<> {
    let seen = Arc::clone(seen);
    function(move |event: String, _| {
        seen.lock().unwrap().push((start.elapsed(), bodies(&event)));
        async move {
            sleep(takes).await;
            Ok("null".to_owned())
        }
    })
}

/// Runs the mapping until the queue is empty.
async fn drain(
    mapping: &SqsMapping,
    queue: &Arc<SimQueue>,
    takes: Duration,
) -> Vec<(Duration, Vec<String>)> {
    let (seen, start) = (Seen::default(), Instant::now());
    tokio::select! {
        refused = mapping.run(queue, || witness(&seen, start, takes)) => panic!("{refused:?}"),
        () = queue.until(SimQueue::is_empty) => {}
    }
    Arc::into_inner(seen).unwrap().into_inner().unwrap()
}

fn send(queue: &SimQueue, count: usize) {
    for n in 0..count {
        queue.send(Outgoing::new(n.to_string())).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_window_what_is_there_is_a_batch_at_once() {
    let queue = standard();
    send(&queue, 13);
    let seen = drain(&reporting(), &queue, Duration::ZERO).await;
    let batches: Vec<_> = seen
        .iter()
        .map(|(at, bodies)| (*at, bodies.len()))
        .collect();
    assert_eq!(batches, [(Duration::ZERO, 10), (Duration::ZERO, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_window_waits_since_the_first_message_for_a_full_batch() {
    let mapping = SqsMapping {
        batch_size: 25,
        window: SECOND * 4,
        ..reporting()
    };
    let queue = standard();
    send(&queue, 12);
    let later = Arc::clone(&queue);
    let sending = async move {
        sleep(SECOND * 3).await;
        send(&later, 5);
        sleep(SECOND * 2).await;
        send(&later, 25);
        std::future::pending::<()>().await;
    };
    let (seen, start) = (Seen::default(), Instant::now());
    tokio::select! {
        refused = mapping.run(&queue, || witness(&seen, start, Duration::ZERO)) => panic!("{refused:?}"),
        () = sending => {}
        () = async { sleep(SECOND * 6).await; queue.until(SimQueue::is_empty).await } => {}
    }
    let seen = seen.lock().unwrap();
    let batches: Vec<_> = seen
        .iter()
        .map(|(at, bodies)| (at.as_secs(), bodies.len()))
        .collect();
    assert_eq!(
        batches,
        [(4, 17), (5, 25)],
        "at the window's end, or when it is full"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_ends_at_six_megabytes_metadata_included_and_the_rest_is_the_next() {
    let mapping = SqsMapping {
        batch_size: 100,
        window: SECOND,
        ..reporting()
    };
    let queue = standard();
    for _ in 0..9 {
        // Quotes are two bytes each in JSON.
        let body = format!("{}{}", "x".repeat(500 * 1024), "\"".repeat(250 * 1024));
        queue.send(Outgoing::new(body)).unwrap();
    }
    let seen = drain(&mapping, &queue, Duration::ZERO).await;
    let batches: Vec<_> = seen.iter().map(|(_, bodies)| bodies.len()).collect();
    assert_eq!(batches, [6, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_is_kept() {
    let queue = standard();
    send(&queue, 70);
    let mapping = SqsMapping {
        maximum_concurrency: Some(3),
        ..reporting()
    };
    let seen = drain(&mapping, &queue, SECOND * 2).await;
    let starts: Vec<_> = seen.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(starts, [0, 0, 0, 2, 2, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_five_batches_are_handled_at_once_and_more_after_a_minute() {
    let queue = SimQueue::new(QueueSettings {
        visibility_timeout: SECOND * 300,
        ..QueueSettings::standard("orders")
    });
    send(&queue, 100);
    let mapping = SqsMapping {
        function_timeout: SECOND * 300,
        ..reporting()
    };
    let seen = drain(&mapping, &queue, SECOND * 90).await;
    let starts: Vec<_> = seen.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(starts, [0, 0, 0, 0, 0, 60, 60, 60, 60, 60]);
}

#[tokio::test(start_paused = true)]
async fn an_environment_is_used_again_unless_it_ended() {
    let queue = standard();
    send(&queue, 30);
    let made = Mutex::new(0);
    let dies = || {
        *made.lock().unwrap() += 1;
        let invoked = Mutex::new(0);
        function(move |_, _| {
            let mut invoked = invoked.lock().unwrap();
            *invoked += 1;
            let answer = match *invoked {
                1 => Err(FunctionError::Failed("lives on".into())),
                2 => Err(FunctionError::Exited("status 1".into())),
                _ => Ok("null".to_owned()),
            };
            async move {
                sleep(SECOND).await;
                answer
            }
        })
    };
    let mapping = SqsMapping {
        maximum_concurrency: Some(2),
        ..reporting()
    };
    tokio::select! {
        refused = mapping.run(&queue, dies) => panic!("{refused:?}"),
        () = sleep(SECOND * 29) => {}
    }
    assert_eq!(
        *made.lock().unwrap(),
        2,
        "three batches: 0 and 1 fail, 0 dies"
    );
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_fifo_group_are_handled_in_order_one_batch_at_a_time() {
    let queue = SimQueue::new(QueueSettings::fifo("orders.fifo"));
    for n in 0..20 {
        for group in ["a", "b"] {
            let body = format!("{group}{n:02}");
            queue
                .send(Outgoing::new(&body).group(group).deduplication_id(body))
                .unwrap();
        }
    }
    let mapping = SqsMapping {
        batch_size: 4,
        ..reporting()
    };
    let seen = drain(&mapping, &queue, SECOND).await;
    for group in ["a", "b"] {
        let of_group = seen
            .iter()
            .filter(|(_, bodies)| bodies[0].starts_with(group));
        let (starts, bodies): (Vec<_>, Vec<_>) = of_group.cloned().unzip();
        assert!(bodies.concat().is_sorted());
        assert_eq!(
            starts,
            [0, 1, 2, 3, 4].map(Duration::from_secs),
            "never two at once"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_event_says_what_sqs_says() {
    let queue = SimQueue::new(QueueSettings::standard("orders"));
    let outgoing = Outgoing::new("{\"a\":\"ä\"}")
        .attribute("type", "order.placed")
        .group("user_1");
    let id = queue.send(outgoing).unwrap();
    let event = Arc::<Mutex<String>>::default();
    let keep = Arc::clone(&event);
    let keeps = function(move |event, _| {
        *keep.lock().unwrap() = event;
        std::future::ready(Err(FunctionError::Failed("again".into())))
    });
    advance(SECOND * 2).await;
    reporting().poll_once(&queue, &keeps).await.unwrap();
    advance(SECOND * 30).await;
    reporting().poll_once(&queue, &keeps).await.unwrap();
    let event: Value = serde_json::from_str(&event.lock().unwrap()).unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["messageId"], id.as_str());
    assert_eq!(record["body"], "{\"a\":\"ä\"}");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(record["attributes"]["MessageGroupId"], "user_1");
    let number = |name: &str| {
        record["attributes"][name]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(
        number("ApproximateFirstReceiveTimestamp"),
        number("SentTimestamp") + 2000
    );
    assert_eq!(
        record["messageAttributes"]["type"]["stringValue"],
        "order.placed"
    );
    assert_eq!(record["md5OfBody"].as_str().unwrap().len(), 32);
    assert_eq!(record["eventSourceARN"], queue.arn());
}

#[tokio::test]
async fn what_aws_would_not_create_is_refused() {
    let (standard, fifo) = (standard(), SimQueue::new(QueueSettings::fifo("q.fifo")));
    let refused = |mapping: SqsMapping, queue: &SimQueue| mapping.check(queue).unwrap_err();
    let default = SqsMapping::default;
    let slow = SqsMapping {
        function_timeout: SECOND * 31,
        ..default()
    };
    assert_eq!(
        refused(slow, &standard),
        MappingRefused::VisibilityBelowTimeout
    );
    let hasty = SqsMapping {
        batch_size: 11,
        ..default()
    };
    assert_eq!(
        refused(hasty, &standard),
        MappingRefused::BatchWithoutWindow
    );
    let window = |seconds| SqsMapping {
        window: SECOND * seconds,
        ..default()
    };
    assert_eq!(refused(window(301), &standard), MappingRefused::Window);
    assert_eq!(refused(window(1), &fifo), MappingRefused::Window);
    for (size, queue) in [(0, &standard), (10_001, &standard), (11, &fifo)] {
        let sized = SqsMapping {
            batch_size: size,
            ..default()
        };
        assert_eq!(refused(sized, queue), MappingRefused::BatchSize);
    }
    for most in [0, 1, 1001] {
        let limited = SqsMapping {
            maximum_concurrency: Some(most),
            ..default()
        };
        assert_eq!(
            refused(limited, &standard),
            MappingRefused::MaximumConcurrency
        );
    }
    for seconds in [0, 901] {
        let timed = SqsMapping {
            function_timeout: SECOND * seconds,
            ..default()
        };
        assert_eq!(refused(timed, &standard), MappingRefused::FunctionTimeout);
    }
    let large = SqsMapping {
        batch_size: 10_000,
        window: SECOND,
        ..default()
    };
    large.check(&standard).unwrap();
    default().check(&fifo).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mapping_can_run_as_a_task_of_its_own() {
    let queue = standard();
    send(&queue, 3);
    let polled = Arc::clone(&queue);
    let running = tokio::spawn(async move {
        reporting()
            .run(&polled, || function(|_, _| async { Ok("null".to_owned()) }))
            .await
    });
    queue.until(SimQueue::is_empty).await;
    running.abort();
}
