//! What an answer means for its batch of a stream.

use std::sync::atomic::{AtomicUsize, Ordering};

use dashpot_testing::{FunctionError, StreamMapping};

use crate::stream::{Answer, Record, batches, done, drain, written};

pub(crate) fn reporting() -> StreamMapping {
    StreamMapping {
        report_batch_item_failures: true,
        ..StreamMapping::default()
    }
}

/// The answer that names those of the batch which are among these.
fn failed(records: &[Record], rows: &[&str]) -> String {
    let named = records.iter().filter(|r| rows.contains(&r.sk.as_str()));
    let items: Vec<String> = named
        .map(|record| format!(r#"{{"itemIdentifier":"{}"}}"#, record.number))
        .collect();
    format!(r#"{{"batchItemFailures":[{}]}}"#, items.join(","))
}

/// Four records through a function that answers so at first; `{1}` to `{4}` stand for their numbers.
async fn answered(mapping: &StreamMapping, answer: Answer) -> Vec<(u64, String)> {
    let (_store, stream) = written(4).await;
    let invoked = AtomicUsize::new(0);
    drain(mapping, &stream, |records| {
        if invoked.fetch_add(1, Ordering::Relaxed) > 0 {
            return done();
        }
        let fill = |answer: String, record: &Record| {
            answer.replace(&format!("{{{}}}", record.sk), &record.number)
        };
        Ok(records.iter().fold(answer.clone()?, fill))
    })
    .await
}

fn seen(seen: &[(u64, String)]) -> Vec<(u64, &str)> {
    seen.iter().map(|(at, rows)| (*at, rows.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_complete_success() {
    for answer in [
        "null",
        "{}",
        r#"{"batchItemFailures":[]}"#,
        r#"{"batchItemFailures":null}"#,
    ] {
        let invoked = answered(&reporting(), Ok(answer.to_owned())).await;
        assert_eq!(seen(&invoked), [(0, "1 2 3 4")], "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_lowest_reported_number_is_the_checkpoint_and_everything_from_there_comes_again() {
    let answer = r#"{"batchItemFailures":[{"itemIdentifier":"{4}"},{"itemIdentifier":"{2}"}]}"#;
    let invoked = answered(&reporting(), Ok(answer.to_owned())).await;
    assert_eq!(seen(&invoked), [(0, "1 2 3 4"), (1, "2 3 4")]);
}

#[tokio::test(start_paused = true)]
async fn one_identifier_that_is_none_fails_the_whole_batch() {
    for item in [
        r#"{"itemIdentifier":""}"#,
        r#"{"itemIdentifier":null}"#,
        r#"{"itemIdentifier":"unknown"}"#,
        r#"{"sequenceNumber":"{3}"}"#,
        "{}",
    ] {
        let answer = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{{3}}"}},{item}]}}"#);
        let invoked = answered(&reporting(), Ok(answer)).await;
        assert_eq!(seen(&invoked), [(0, "1 2 3 4"), (1, "1 2 3 4")], "{item}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_of_the_documented_shape_fails_the_whole_batch() {
    for answer in ["", "not json", r#"{"batchItemFailures":["#, "[]"] {
        let invoked = answered(&reporting(), Ok(answer.to_owned())).await;
        assert_eq!(seen(&invoked), [(0, "1 2 3 4"), (1, "1 2 3 4")], "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_a_death_or_a_time_out_fails_the_whole_batch() {
    for mapping in [reporting(), StreamMapping::default()] {
        for (error, again) in [
            (FunctionError::Failed("no".into()), 1),
            (FunctionError::Exited("signal 9".into()), 1),
            (FunctionError::TimedOut, 3 + 1),
        ] {
            let invoked = answered(&mapping, Err(error)).await;
            assert_eq!(seen(&invoked), [(0, "1 2 3 4"), (again, "1 2 3 4")]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_any_answer_is_complete_success() {
    for answer in [r#"{"batchItemFailures":[{"itemIdentifier":"{1}"}]}"#, ""] {
        let invoked = answered(&StreamMapping::default(), Ok(answer.to_owned())).await;
        assert_eq!(seen(&invoked), [(0, "1 2 3 4")], "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_a_failed_batch_waits_for_it() {
    let (_store, stream) = written(4).await;
    let mapping = StreamMapping {
        batch_size: 2,
        ..StreamMapping::default()
    };
    let tries = AtomicUsize::new(0);
    let invoked = drain(&mapping, &stream, |_| {
        if tries.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(FunctionError::Failed("not yet".into()));
        }
        done()
    })
    .await;
    assert_eq!(batches(&invoked), ["1 2", "1 2", "1 2", "3 4"]);
}

/// Fails as a whole where it has company.
fn alone(records: &[Record], row: &str) -> Answer {
    if records.len() > 1 && records.iter().any(|record| record.sk == row) {
        return Err(FunctionError::Failed("in company".into()));
    }
    done()
}

#[tokio::test(start_paused = true)]
async fn bisection_halves_a_batch_that_failed_whether_it_reports_or_not() {
    for mapping in [reporting(), StreamMapping::default()] {
        let mapping = StreamMapping {
            bisect: true,
            ..mapping
        };
        let (_store, stream) = written(5).await;
        let invoked = drain(&mapping, &stream, |records| alone(records, "3")).await;
        assert_eq!(
            batches(&invoked),
            ["1 2 3 4 5", "1 2", "3 4 5", "3", "4 5"],
            "in order"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn bisection_cuts_a_batch_at_the_checkpoint_and_halves_one_that_fails_at_its_first() {
    let mapping = StreamMapping {
        bisect: true,
        ..reporting()
    };
    let (_store, stream) = written(5).await;
    let invoked = drain(&mapping, &stream, |records| {
        let rows: &[&str] = if records.len() > 1 { &["2"] } else { &[] };
        Ok(failed(records, rows))
    })
    .await;
    assert_eq!(
        batches(&invoked),
        ["1 2 3 4 5", "2 3 4 5", "2 3", "2", "3", "4 5"]
    );
}

#[tokio::test(start_paused = true)]
async fn without_bisection_a_batch_is_never_halved() {
    let (_store, stream) = written(3).await;
    let tries = AtomicUsize::new(0);
    let invoked = drain(&reporting(), &stream, |records| {
        let again = tries.fetch_add(1, Ordering::Relaxed) < 3;
        Ok(failed(records, if again { &["2", "3"] } else { &[] }))
    })
    .await;
    assert_eq!(
        seen(&invoked),
        [(0, "1 2 3"), (1, "2 3"), (3, "2 3"), (7, "2 3")]
    );
}
