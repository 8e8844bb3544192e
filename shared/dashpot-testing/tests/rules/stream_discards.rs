//! What a mapping of a stream gives up, and what it tells of that.

use std::sync::Arc;
use std::time::Duration;

use dashpot::Clock;
use dashpot_testing::{
    FunctionError, MemoryStore, SimQueue, StreamMapping, TableSettings, TableStream,
};
use serde_json::{Value, json};
use tokio::time::{advance, sleep};

use crate::queue::{SECOND, standard};
use crate::stream::{Answer, Record, batches, done, drain, put, run_until, written};
use crate::stream_answers::reporting;

/// Fails while this row is in the batch.
fn unless(records: &[Record], row: &str) -> Answer {
    if records.iter().any(|record| record.sk == row) {
        return Err(FunctionError::Failed("poison".into()));
    }
    done()
}

/// A mapping that gives up, and where it tells so.
fn giving_up(maximum_retries: u32) -> (StreamMapping, Arc<SimQueue>) {
    let told = standard();
    let mapping = StreamMapping {
        maximum_retries: Some(maximum_retries),
        on_failure: Some(Arc::clone(&told)),
        ..StreamMapping::default()
    };
    (mapping, told)
}

fn told(queue: &SimQueue) -> Vec<Value> {
    let bodies = queue.messages();
    let bodies = bodies.iter().map(|snapshot| &snapshot.message.body);
    bodies
        .map(|body| serde_json::from_str(body).unwrap())
        .collect()
}

/// The first and last of a batch that was given up, as places in the stream from 1 on, and its size.
fn batch(told: &Value) -> (u64, u64, u64) {
    let info = &told["DDBStreamBatchInfo"];
    let place = |name: &str| {
        let number = info[name].as_str().unwrap();
        number[1..].parse().unwrap()
    };
    (
        place("startSequenceNumber"),
        place("endSequenceNumber"),
        info["batchSize"].as_u64().unwrap(),
    )
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
#[tokio::test(start_paused = true)]
async fn what_exhausts_its_retries_is_told_by_its_documented_fields_and_the_shard_goes_on() {
    let store = MemoryStore::create(TableSettings {
        name: "mytable".to_owned(),
        clock: Clock::at(1_573_690_399_042),
        ..TableSettings::default()
    });
    let stream = store.stream();
    put(&store, "a", 1).await;
    advance(SECOND * 2).await;
    put(&store, "a", 2).await;
    put(&store, "a", 3).await;
    let (mapping, queue) = giving_up(1);
    let mapping = StreamMapping {
        batch_size: 2,
        ..mapping
    };
    let seen = drain(&mapping, &stream, |records| unless(records, "1")).await;
    assert_eq!(batches(&seen), ["1 2", "1 2", "3"]);

    let mut told = told(&queue);
    assert_eq!(told.len(), 1);
    let request = told[0]["requestContext"]["requestId"].take();
    assert!(request.as_str().is_some_and(|id| !id.is_empty()));
    let numbers = ["100000000000000000001", "100000000000000000002"];
    assert_eq!(
        told[0],
        json!({
            "requestContext": {
                "requestId": null,
                "functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:function",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 2,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": "2019-11-14T00:13:22.042Z",
            "DDBStreamBatchInfo": {
                "shardId": "shardId-00000000000000000000-00000000",
                "startSequenceNumber": numbers[0],
                "endSequenceNumber": numbers[1],
                "approximateArrivalOfFirstRecord": "2019-11-14T00:13:19Z",
                "approximateArrivalOfLastRecord": "2019-11-14T00:13:21Z",
                "batchSize": 2,
                "streamArn": stream.arn(),
            },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn no_retry_means_one_try() {
    let (mapping, queue) = giving_up(0);
    let (_store, stream) = written(1).await;
    let seen = drain(&mapping, &stream, |records| unless(records, "1")).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(
        told(&queue)[0]["requestContext"]["approximateInvokeCount"],
        1
    );
}

#[tokio::test(start_paused = true)]
async fn bisection_does_not_count_as_a_retry_and_gives_up_the_poison_alone() {
    let (mapping, queue) = giving_up(0);
    let mapping = StreamMapping {
        bisect: true,
        ..mapping
    };
    let (_store, stream) = written(4).await;
    let seen = drain(&mapping, &stream, |records| unless(records, "3")).await;
    assert_eq!(batches(&seen), ["1 2 3 4", "1 2", "3 4", "3", "4"]);
    let told: Vec<_> = told(&queue).iter().map(batch).collect();
    assert_eq!(told, [(3, 3, 1)]);
}

/// Names this row wherever it is.
fn names(records: &[Record], row: &str) -> String {
    let number = records.iter().find(|r| r.sk == row).map(|r| &r.number);
    let items = number.map(|number| json!({ "itemIdentifier": number }));
    json!({ "batchItemFailures": Vec::from_iter(items) }).to_string()
}

#[tokio::test(start_paused = true)]
async fn bisection_at_a_checkpoint_does_not_count_as_a_retry_either() {
    let (mapping, queue) = giving_up(0);
    let mapping = StreamMapping {
        bisect: true,
        report_batch_item_failures: true,
        ..mapping
    };
    let (_store, stream) = written(3).await;
    let seen = drain(&mapping, &stream, |records| Ok(names(records, "2"))).await;
    assert_eq!(batches(&seen), ["1 2 3", "2 3", "2", "3"]);
    let told: Vec<_> = told(&queue).iter().map(batch).collect();
    assert_eq!(told, [(2, 2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn without_bisection_everything_from_the_checkpoint_on_is_given_up() {
    let (mapping, queue) = giving_up(2);
    let mapping = StreamMapping {
        report_batch_item_failures: true,
        ..mapping
    };
    let (_store, stream) = written(4).await;
    let seen = drain(&mapping, &stream, |records| Ok(names(records, "2"))).await;
    assert_eq!(batches(&seen), ["1 2 3 4", "2 3 4", "2 3 4"]);
    let told: Vec<_> = told(&queue).iter().map(batch).collect();
    assert_eq!(told, [(2, 4, 3)]);
}

fn ageing() -> (StreamMapping, Arc<SimQueue>) {
    let (mapping, queue) = giving_up(0);
    let mapping = StreamMapping {
        maximum_retries: None,
        maximum_age: Some(SECOND * 60),
        ..mapping
    };
    (mapping, queue)
}

#[tokio::test(start_paused = true)]
async fn a_record_that_becomes_too_old_is_given_up_and_the_younger_ones_are_tried() {
    let (mapping, queue) = ageing();
    let (store, stream) = written(1).await;
    advance(SECOND * 30).await;
    put(&store, "a", 2).await;
    let seen = drain(&mapping, &stream, |records| unless(records, "1")).await;
    let seen: Vec<_> = seen.iter().map(|(at, rows)| (*at, rows.as_str())).collect();
    let tried = [0, 1, 3, 7, 15].map(|at| (at, "1 2"));
    assert_eq!(seen, [&tried[..], &[(31, "2")]].concat());
    let told = told(&queue);
    assert_eq!(told.len(), 1);
    assert_eq!(batch(&told[0]), (1, 1, 1));
    assert_eq!(told[0]["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(told[0]["requestContext"]["approximateInvokeCount"], 5);
    assert_eq!(told[0].get("responseContext"), None);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_too_old_at_first_never_reaches_the_function() {
    let (mapping, queue) = ageing();
    let (_store, stream) = written(2).await;
    advance(SECOND * 61).await;
    assert!(drain(&mapping, &stream, |_| done()).await.is_empty());
    assert_eq!(batch(&told(&queue)[0]), (1, 2, 2));
}

const DAY: Duration = Duration::from_hours(24);

/// Runs a day and two minutes, in which a second record comes after an hour.
async fn a_day(mapping: &StreamMapping) -> (Vec<(u64, String)>, Arc<TableStream>) {
    let (store, stream) = written(1).await;
    let end = async {
        sleep(SECOND * 3600).await;
        put(&store, "a", 2).await;
        sleep(SECOND * (23 * 3600 + 120)).await;
    };
    let seen = run_until(mapping, &stream, end, |records| unless(records, "1")).await;
    (seen, stream)
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html>: -1 is for ever.
#[tokio::test(start_paused = true)]
async fn without_limits_a_record_blocks_its_shard_until_the_stream_lets_it_go_after_a_day() {
    let queue = standard();
    let mapping = StreamMapping {
        on_failure: Some(Arc::clone(&queue)),
        ..reporting()
    };
    let (seen, stream) = a_day(&mapping).await;
    let tries = seen.iter().filter(|(_, rows)| rows == "1");
    let latest = tries.map(|(at, _)| *at).max().unwrap();
    assert!(
        (DAY.as_secs() - 60..DAY.as_secs()).contains(&latest),
        "{latest}"
    );
    let after = seen.last().unwrap();
    assert_eq!(after.1, "2");
    assert!(after.0 >= DAY.as_secs());
    let lost: Vec<_> = stream
        .lost()
        .iter()
        .map(|record| record.key.sk.clone())
        .collect();
    assert_eq!(lost, ["1"]);
    assert!(queue.is_empty(), "nobody is told of what expired");
}
