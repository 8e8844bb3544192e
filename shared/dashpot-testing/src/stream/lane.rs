//! One batch after the other: a shard, or one of the parts of it that are handled at once.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use super::mapping::StreamMapping;
use super::record::StreamRecord;
use super::table_stream::TableStream;
use crate::function::{Function, invoke};
use crate::sqs::{Event, Outgoing, Verdict, read_answer};

/// Why records were given up, as the destination is told.
const EXHAUSTED: &str = "RetryAttemptsExhausted";
const TOO_OLD: &str = "RecordAgeExceeded";

pub(super) struct Lane<'a, F, M> {
    mapping: &'a StreamMapping,
    stream: &'a TableStream,
    number: usize,
    make: &'a M,
    environment: Option<F>,
    invocations: u64,
}

/// Records that are tried together.
struct Chunk {
    records: Vec<Arc<StreamRecord>>,
    failures: u32,
}

impl Chunk {
    fn fresh(records: Vec<Arc<StreamRecord>>) -> Self {
        Self {
            records,
            failures: 0,
        }
    }

    /// Takes a batch apart, the last part first. That is no retry, and does not count
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>).
    ///
    /// One that a checkpoint has cut is apart already. Inferred: one that fails at its very first record is halved, as
    /// one that fails as a whole.
    fn bisect(mut self, is_cut: bool) -> Vec<Self> {
        if is_cut {
            return vec![Self::fresh(self.records)];
        }
        let half = self.records.split_off(self.records.len() / 2);
        vec![Self::fresh(half), Self::fresh(self.records)]
    }
}

impl<'a, F: Function, M: Fn() -> F> Lane<'a, F, M> {
    pub(super) fn new(
        mapping: &'a StreamMapping,
        stream: &'a TableStream,
        number: usize,
        make: &'a M,
    ) -> Self {
        Self {
            mapping,
            stream,
            number,
            make,
            environment: None,
            invocations: 0,
        }
    }

    pub(super) async fn run(mut self) -> Infallible {
        loop {
            let records = self.gather().await;
            self.handle(records).await;
        }
    }

    /// Gathers a batch: until it is full by count or by bytes, or its window is over, which began when the invocation
    /// before it was done.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html#invocation-eventsourcemapping-batching>
    async fn gather(&self) -> Vec<Arc<StreamRecord>> {
        let StreamMapping {
            batch_size,
            window,
            filter,
            ..
        } = self.mapping;
        let mut end = Instant::now() + *window;
        loop {
            let mut arrival = pin!(self.stream.arrival());
            arrival.as_mut().enable();
            let wanted = |record: &StreamRecord| filter.takes(record);
            let mut records = self.stream.next(self.number, *batch_size, wanted);
            if records.is_empty() {
                arrival.await;
                // Inferred: after a window in which nothing came, the first record begins another.
                if end <= Instant::now() {
                    end = Instant::now() + *window;
                }
                continue;
            }
            let (_, fitting) = event(self.stream, &records);
            let is_full = records.len() == *batch_size || fitting < records.len();
            if is_full || end <= Instant::now() {
                records.truncate(fitting);
                return records;
            }
            tokio::select! {
                biased;
                () = arrival => {}
                () = sleep_until(end) => {}
            }
        }
    }

    /// Tries a batch until it is passed: nothing after it in its lane is tried before.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>
    async fn handle(&mut self, records: Vec<Arc<StreamRecord>>) {
        // The last is the first in order.
        let mut waiting = vec![Chunk::fresh(records)];
        while let Some(mut chunk) = waiting.pop() {
            self.give_up_the_old(&mut chunk);
            if chunk.records.is_empty() {
                continue;
            }
            let first = match self.invoke(&chunk.records).await {
                Verdict::Success => chunk.records.len(),
                // The lowest is the checkpoint: everything from there on is tried again, whatever became of it.
                Verdict::Partial(failed) => {
                    let is_failed = |r: &Arc<StreamRecord>| failed.contains(&r.identifier());
                    chunk.records.iter().position(is_failed).unwrap_or_default()
                }
                Verdict::Failure(_) => 0,
            };
            let rest = chunk.records.split_off(first);
            self.pass(&chunk.records);
            if rest.is_empty() {
                continue;
            }
            // Inferred: what got further is a batch of its own.
            let failures = if first == 0 { chunk.failures } else { 0 };
            let rest = Chunk {
                records: rest,
                failures,
            };
            if self.mapping.bisect && (first > 0 || rest.records.len() > 1) {
                waiting.extend(rest.bisect(first > 0));
            } else {
                waiting.extend(self.retry(rest).await);
            }
        }
    }

    async fn invoke(&mut self, records: &[Arc<StreamRecord>]) -> Verdict {
        self.invocations += 1;
        let (event, _) = event(self.stream, records);
        let request = format!("stream-{}-{}", self.number, self.invocations);
        let function = self.environment.get_or_insert_with(self.make);
        let (timeout, clock) = (self.mapping.function_timeout, self.stream.clock());
        match invoke(function, &event, request, timeout, clock).await {
            Err(error) => {
                if error.ends_the_process() {
                    self.environment = None;
                }
                Verdict::Failure(error.to_string())
            }
            Ok(_) if !self.mapping.report_batch_item_failures => Verdict::Success,
            Ok(answer) => read_answer(&answer, |id| {
                records.iter().any(|record| record.identifier() == id)
            }),
        }
    }

    /// A chunk that failed, after a pause; nothing if it has failed too often.
    async fn retry(&self, mut chunk: Chunk) -> Option<Chunk> {
        chunk.failures += 1;
        let most = self.mapping.maximum_retries;
        if most.is_some_and(|most| chunk.failures > most) {
            self.give_up(&chunk.records, EXHAUSTED, chunk.failures);
            return None;
        }
        // Inferred: AWS does not say how long it waits. A second at first, doubled each time, a minute at most.
        let pause = Duration::from_secs(1 << (chunk.failures - 1).min(6));
        sleep(pause.min(Duration::from_mins(1))).await;
        Some(chunk)
    }

    /// Gives up what has become too old, for the mapping or for the stream.
    fn give_up_the_old(&self, chunk: &mut Chunk) {
        chunk.records.retain(|record| record.is_held());
        let Some(most) = self.mapping.maximum_age else {
            return;
        };
        let is_old = |record: &Arc<StreamRecord>| record.at.elapsed() > most;
        let old = chunk.records.partition_point(is_old);
        let rest = chunk.records.split_off(old);
        self.give_up(&chunk.records, TOO_OLD, chunk.failures);
        chunk.records = rest;
    }

    /// Passes records, and tells which they were: not what was in them.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
    fn give_up(&self, records: &[Arc<StreamRecord>], condition: &str, invocations: u32) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return;
        };
        if let Some(queue) = &self.mapping.on_failure {
            let mut told = json!({
                "requestContext": {
                    "requestId": format!("stream-{}-{}", self.number, self.invocations),
                    "functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:function",
                    "condition": condition,
                    "approximateInvokeCount": invocations,
                },
                "version": "1.0",
                "timestamp": timestamp(self.stream.clock().now()),
                "DDBStreamBatchInfo": {
                    "shardId": self.stream.shard_id(self.number),
                    "startSequenceNumber": first.identifier(),
                    "endSequenceNumber": last.identifier(),
                    "approximateArrivalOfFirstRecord": arrival(first),
                    "approximateArrivalOfLastRecord": arrival(last),
                    "batchSize": records.len(),
                    "streamArn": self.stream.arn(),
                },
            });
            // Observed, not documented: nothing is told of an answer when it was age that ended it.
            if condition == EXHAUSTED {
                told["responseContext"] = json!({
                    "statusCode": 200,
                    "executedVersion": "$LATEST",
                    "functionError": "Unhandled",
                });
            }
            // What the destination does not take is lost, as on AWS.
            let _ = queue.send(Outgoing::new(told.to_string()));
        }
        self.pass(records);
    }

    fn pass(&self, records: &[Arc<StreamRecord>]) {
        if let Some(last) = records.last() {
            self.stream.pass(self.number, last.sequence_number);
        }
    }
}

/// The event of as many records as fit, and how many these are.
fn event(stream: &TableStream, records: &[Arc<StreamRecord>]) -> (String, usize) {
    let mut event = Event::new();
    let fits = |record: &&Arc<StreamRecord>| event.add(&record.json(stream.arn()));
    let fitting = records.iter().take_while(fits).count();
    (event.finish(), fitting)
}

/// When a record came, in whole seconds: `2026-11-24T13:05:59Z`.
fn arrival(record: &StreamRecord) -> String {
    format!("{}Z", second(record.created))
}

/// `2026-11-24T13:05:59.042Z`
fn timestamp(millis: u64) -> String {
    format!("{}.{:03}Z", second(millis), millis % 1000)
}

/// `2026-11-24T13:05:59`
fn second(millis: u64) -> String {
    let (minute, second) = (millis / 60_000 % 60, millis / 1000 % 60);
    let (day, hour) = (dashpot::day(millis), millis / 3_600_000 % 24);
    format!("{day}T{hour:02}:{minute:02}:{second:02}")
}
