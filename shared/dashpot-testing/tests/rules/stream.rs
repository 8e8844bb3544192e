//! Which batches of a stream a function is invoked with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashpot::{Key, Row, Store, Write};
use dashpot_testing::{
    EventFilter, FunctionError, MemoryStore, QueueSettings, SimQueue, StreamMapping, TableSettings,
    TableStream, function,
};
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::queue::{SECOND, standard};

pub(crate) type Answer = Result<String, FunctionError>;

/// A record, as a function gets it.
#[derive(Clone)]
pub(crate) struct Record {
    /// The sort key of its row.
    pub(crate) sk: String,
    pub(crate) number: String,
}

fn records(event: &str) -> Vec<Record> {
    let event: Value = serde_json::from_str(event).unwrap();
    let records = event["Records"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    records
        .map(|record| Record {
            sk: text(&record["dynamodb"]["Keys"]["sk"]["S"]),
            number: text(&record["dynamodb"]["SequenceNumber"]),
        })
        .collect()
}

/// `1 2 3`
fn rows(records: &[Record]) -> String {
    let rows: Vec<&str> = records.iter().map(|record| record.sk.as_str()).collect();
    rows.join(" ")
}

pub(crate) async fn put(store: &MemoryStore, pk: &str, sk: impl ToString) {
    let row = Row::new(Key::of(pk, sk.to_string()));
    store.commit(&[Write::put(row)]).await.unwrap();
}

/// A table in whose stream are so many rows of one partition, from 1 on.
pub(crate) async fn written(count: usize) -> (MemoryStore, Arc<TableStream>) {
    let store = MemoryStore::new();
    let stream = store.stream();
    for sk in 1..=count {
        put(&store, "a", sk).await;
    }
    (store, stream)
}

#[expect(clippy::unnecessary_wraps, reason = "an answer like any other")]
pub(crate) fn done() -> Answer {
    Ok("null".to_owned())
}

/// Runs the mapping until then: when the function was invoked, in seconds since the start, and with which rows. An
/// answer that says that the function timed out does not come.
pub(crate) async fn run_until(
    mapping: &StreamMapping,
    stream: &TableStream,
    end: impl Future<Output = ()>,
    answer: impl Fn(&[Record]) -> Answer + Send + Sync,
) -> Vec<(u64, String)> {
    let (seen, start) = (Mutex::default(), Instant::now());
    let (keep, answer): (&Mutex<Vec<_>>, _) = (&seen, &answer);
    let make = || {
        function(move |event: String, _| async move {
            let records = records(&event);
            keep.lock()
                .unwrap()
                .push((start.elapsed().as_secs(), rows(&records)));
            let answer = answer(&records);
            if answer == Err(FunctionError::TimedOut) {
                std::future::pending::<()>().await;
            }
            answer
        })
    };
    tokio::select! {
        refused = mapping.run(stream, make) => panic!("{refused:?}"),
        () = end => {}
    }
    seen.into_inner().unwrap()
}

/// Runs the mapping until the stream has nothing left for it, for an hour at most.
pub(crate) async fn drain(
    mapping: &StreamMapping,
    stream: &TableStream,
    answer: impl Fn(&[Record]) -> Answer + Send + Sync,
) -> Vec<(u64, String)> {
    let end = async {
        let drained = stream.until(|stream| stream.behind() == 0);
        timeout(SECOND * 3600, drained).await.unwrap();
    };
    run_until(mapping, stream, end, answer).await
}

pub(crate) fn batches(seen: &[(u64, String)]) -> Vec<&str> {
    seen.iter().map(|(_, rows)| rows.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_read_in_order_from_its_oldest_record_on() {
    let (store, stream) = written(4).await;
    put(&store, "b", 5).await;
    let mapping = StreamMapping {
        batch_size: 2,
        ..StreamMapping::default()
    };
    let seen = drain(&mapping, &stream, |_| done()).await;
    assert_eq!(batches(&seen), ["1 2", "3 4", "5"]);
    assert_eq!(seen[2].0, 0, "without a window at once");
}

#[tokio::test(start_paused = true)]
async fn a_mapping_goes_on_where_the_one_before_it_was() {
    let (_store, stream) = written(4).await;
    let mapping = StreamMapping {
        batch_size: 2,
        ..StreamMapping::default()
    };
    let seen = run_until(&mapping, &stream, sleep(SECOND), |records| {
        if records[0].sk == "3" {
            return Err(FunctionError::TimedOut);
        }
        done()
    })
    .await;
    assert_eq!(batches(&seen), ["1 2", "3 4"]);
    let seen = drain(&mapping, &stream, |_| done()).await;
    assert_eq!(batches(&seen), ["3 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_window_begins_when_the_invocation_before_it_is_done() {
    let (store, stream) = written(1).await;
    let mapping = StreamMapping {
        batch_size: 4,
        window: SECOND * 10,
        ..StreamMapping::default()
    };
    let start = Instant::now();
    let writing = async {
        for (at, rows) in [(3, 2..=2), (12, 3..=6), (15, 7..=7), (50, 8..=8)] {
            sleep_until(start + SECOND * at).await;
            for sk in rows {
                put(&store, "a", sk).await;
            }
        }
        stream.until(|stream| stream.behind() == 0).await;
    };
    let seen = run_until(&mapping, &stream, writing, |_| done()).await;
    let seen: Vec<_> = seen.iter().map(|(at, rows)| (*at, rows.as_str())).collect();
    assert_eq!(
        seen,
        [(10, "1 2"), (12, "3 4 5 6"), (22, "7"), (60, "8")],
        "at the end of the window, or when the batch is full"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_full_at_six_megabytes_and_the_rest_is_the_next() {
    let store = MemoryStore::new();
    let stream = store.stream();
    for sk in 0..25 {
        let row = Row::new(Key::of("a", sk.to_string())).set("data", "x".repeat(300 * 1024));
        store.commit(&[Write::create(row)]).await.unwrap();
    }
    let mapping = StreamMapping {
        window: SECOND * 10,
        ..StreamMapping::default()
    };
    let seen = drain(&mapping, &stream, |_| done()).await;
    let sizes: Vec<_> = seen
        .iter()
        .map(|(at, rows)| (*at, rows.split(' ').count()))
        .collect();
    assert_eq!(sizes, [(0, 20), (10, 5)]);
}

#[tokio::test(start_paused = true)]
async fn what_the_filter_leaves_out_is_passed_without_an_invocation() {
    let (store, stream) = written(2).await;
    let mapping = StreamMapping {
        batch_size: 2,
        filter: EventFilter::inserted("outbox#"),
        ..StreamMapping::default()
    };
    assert!(drain(&mapping, &stream, |_| done()).await.is_empty());
    for (pk, sk) in [("outbox#1", 3), ("a", 4), ("outbox#1", 3), ("outbox#2", 5)] {
        put(&store, pk, sk).await;
    }
    let delete = Write::delete(Key::of("outbox#2", "5"));
    store.commit(&[delete]).await.unwrap();
    let seen = drain(&mapping, &stream, |_| done()).await;
    assert_eq!(batches(&seen), ["3 5"], "only what came into being");
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_shard_does_not_block_another() {
    let store = MemoryStore::create(TableSettings {
        shards: 2,
        ..TableSettings::default()
    });
    let stream = store.stream();
    put(&store, "poison", "poison").await;
    for n in 0..10 {
        put(&store, &n.to_string(), n).await;
    }
    let seen = run_until(
        &StreamMapping::default(),
        &stream,
        sleep(SECOND * 30),
        |records| {
            if records.iter().any(|record| record.sk == "poison") {
                return Err(FunctionError::Failed("poison".into()));
            }
            done()
        },
    )
    .await;
    let left = stream.records();
    assert_eq!(left[0].key.pk, "poison");
    assert!((2..11).contains(&left.len()), "{} are left", left.len());
    let left: Vec<&str> = left.iter().map(|record| record.key.sk.as_str()).collect();
    let tried_again = seen.last().unwrap();
    assert_eq!(tried_again.1, left.join(" "), "its whole shard waits");
    assert!(tried_again.0 > 0);
}

/// Runs two changes of each of ten rows of one partition through batches of one that take a second, and checks that
/// those of a row come one after the other: how many were handled at once.
async fn most_at_once(factor: usize) -> usize {
    let store = MemoryStore::new();
    let stream = store.stream();
    for _ in 0..2 {
        for sk in 0..10 {
            put(&store, "a", sk).await;
        }
    }
    let mapping = StreamMapping {
        batch_size: 1,
        parallelization_factor: factor,
        ..StreamMapping::default()
    };
    // The running ones, the most of them, and the last change of each row.
    let state = Mutex::new((Vec::<String>::new(), 0, BTreeMap::<String, String>::new()));
    let state = &state;
    let make = || {
        function(move |event: String, _| async move {
            let Record { sk, number } = records(&event).remove(0);
            {
                let (running, most, last) = &mut *state.lock().unwrap();
                assert!(!running.contains(&sk), "two changes of {sk} at once");
                running.push(sk.clone());
                *most = running.len().max(*most);
                let before = last.insert(sk.clone(), number.clone());
                assert!(before < Some(number), "the changes of {sk} out of order");
            }
            sleep(SECOND).await;
            state.lock().unwrap().0.retain(|row| *row != sk);
            done()
        })
    };
    tokio::select! {
        refused = mapping.run(&stream, make) => panic!("{refused:?}"),
        () = stream.until(|stream| stream.behind() == 0) => {}
    }
    state.lock().unwrap().1
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_handled_one_batch_at_a_time() {
    assert_eq!(most_at_once(1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn with_a_factor_only_the_changes_of_one_row_are_in_order() {
    let most = most_at_once(10).await;
    assert!(
        (2..=10).contains(&most),
        "rows of one partition: {most} at once"
    );
    assert!((1..=2).contains(&most_at_once(2).await));
}

#[tokio::test(start_paused = true)]
async fn settings_out_of_bounds_are_refused() {
    let default = StreamMapping::default;
    let ages = [0, 1, 59, 604_801].map(|seconds| Some(SECOND * seconds));
    let mut refused: Vec<StreamMapping> = ages
        .map(|maximum_age| StreamMapping {
            maximum_age,
            ..default()
        })
        .into();
    refused.extend([0, 10_001].map(|batch_size| StreamMapping {
        batch_size,
        ..default()
    }));
    refused.extend(
        [SECOND * 301, Duration::from_millis(1500)].map(|window| StreamMapping {
            window,
            ..default()
        }),
    );
    refused.extend([0, 11].map(|parallelization_factor| StreamMapping {
        parallelization_factor,
        ..default()
    }));
    refused.extend([0, 901].map(|seconds| StreamMapping {
        function_timeout: SECOND * seconds,
        ..default()
    }));
    refused.push(StreamMapping {
        maximum_retries: Some(10_001),
        ..default()
    });
    refused.push(StreamMapping {
        on_failure: Some(SimQueue::new(QueueSettings::fifo("dead.fifo"))),
        ..default()
    });
    let stream = MemoryStore::new().stream();
    for mapping in refused {
        let running = mapping.run(&stream, || function(|_, _| async { done() }));
        assert!(running.await.is_err(), "{mapping:?}");
    }
}

#[test]
fn settings_at_their_bounds_are_taken() {
    for (size, seconds, factor, retries, age) in
        [(1, 0, 1, 0, 60), (10_000, 300, 10, 10_000, 604_800)]
    {
        let mapping = StreamMapping {
            batch_size: size,
            window: SECOND * seconds,
            parallelization_factor: factor,
            maximum_retries: Some(retries),
            maximum_age: Some(SECOND * age),
            on_failure: Some(standard()),
            function_timeout: SECOND * 900,
            ..StreamMapping::default()
        };
        assert_eq!(mapping.check(), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_mapping_can_run_as_a_task_of_its_own() {
    let (_store, stream) = written(3).await;
    let read = Arc::clone(&stream);
    let running = tokio::spawn(async move {
        let mapping = StreamMapping::default();
        mapping
            .run(&read, || function(|_, _| async { done() }))
            .await
    });
    stream.until(|stream| stream.behind() == 0).await;
    running.abort();
}
