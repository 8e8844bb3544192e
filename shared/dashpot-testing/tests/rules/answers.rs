//! What an answer means for its batch.

use std::sync::Arc;
use std::time::Duration;

use dashpot_testing::{
    DeleteFails, FunctionError, Outgoing, Polled, SimQueue, SqsMapping, Verdict, function,
};
use tokio::time::advance;

use crate::queue::{SECOND, standard};

pub(crate) fn reporting() -> SqsMapping {
    SqsMapping {
        report_batch_item_failures: true,
        ..SqsMapping::default()
    }
}

/// Three messages, and what becomes of them when the function answers so; `{0}` to `{2}` stand for their ids.
async fn answered(
    mapping: &SqsMapping,
    answer: Result<&str, FunctionError>,
) -> (Arc<SimQueue>, Polled) {
    let queue = standard();
    let ids: Vec<_> = (0..3)
        .map(|n| queue.send(Outgoing::new(n.to_string())).unwrap())
        .collect();
    let answer = answer.map(|answer| {
        let fill =
            |answer: String, (n, id): (usize, &String)| answer.replace(&format!("{{{n}}}"), id);
        ids.iter().enumerate().fold(answer.to_owned(), fill)
    });
    let function = function(move |_, _| std::future::ready(answer.clone()));
    let polled = mapping.poll_once(&queue, &function).await.unwrap().unwrap();
    (queue, polled)
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_complete_success() {
    for answer in [
        "null",
        "{}",
        r#"{"batchItemFailures":[]}"#,
        r#"{"batchItemFailures":null}"#,
    ] {
        let (queue, polled) = answered(&reporting(), Ok(answer)).await;
        assert_eq!(
            (polled.verdict, polled.deleted.len()),
            (Verdict::Success, 3),
            "{answer}"
        );
        assert!(queue.is_empty());
    }
}

/// Inferred from what AWS does with `{}`: the documentation does not name it.
#[tokio::test(start_paused = true)]
async fn a_misspelt_top_level_key_reads_as_complete_success() {
    let (queue, _) = answered(
        &reporting(),
        Ok(r#"{"batchItemFailure":[{"itemIdentifier":"{0}"}]}"#),
    )
    .await;
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn exactly_what_is_not_listed_is_deleted() {
    let answer = r#"{"batchItemFailures":[{"itemIdentifier":"{2}"},{"itemIdentifier":"{0}"}]}"#;
    let (queue, polled) = answered(&reporting(), Ok(answer)).await;
    assert_eq!(
        polled.deleted,
        [polled.messages[1].message.message_id.as_str()]
    );
    assert_eq!(queue.len(), 2);
}

/// Inferred: the documentation does not name it.
#[tokio::test(start_paused = true)]
async fn an_identifier_named_twice_is_named() {
    let answer = r#"{"batchItemFailures":[{"itemIdentifier":"{1}"},{"itemIdentifier":"{1}"}]}"#;
    let (_, polled) = answered(&reporting(), Ok(answer)).await;
    assert_eq!(polled.deleted.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_identifier_that_is_none_fails_the_whole_batch() {
    for item in [
        r#"{"itemIdentifier":""}"#,
        r#"{"itemIdentifier":null}"#,
        r#"{"itemIdentifier":"unknown"}"#,
        r#"{"itemIdentifier":7}"#,
        r#"{"itemidentifier":"{0}"}"#,
        r#"{"messageId":"{0}"}"#,
        "{}",
        r#""{0}""#,
        "null",
    ] {
        let answer = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{{1}}"}},{item}]}}"#);
        let (queue, polled) = answered(&reporting(), Ok(&answer)).await;
        assert!(matches!(polled.verdict, Verdict::Failure(_)), "{item}");
        assert_eq!(queue.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_of_the_documented_shape_fails_the_whole_batch() {
    for answer in [
        "",
        "not json",
        r#"{"batchItemFailures":["#,
        // Inferred: JSON, and nothing that could be meant.
        r#""ok""#,
        "[]",
        r#"{"batchItemFailures":{}}"#,
        r#"{"batchItemFailures":"{0}"}"#,
    ] {
        let (queue, polled) = answered(&reporting(), Ok(answer)).await;
        assert!(matches!(polled.verdict, Verdict::Failure(_)), "{answer}");
        assert_eq!(queue.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_or_a_death_deletes_nothing_and_what_comes_back_comes_when_its_time_out_ends() {
    for mapping in [reporting(), SqsMapping::default()] {
        for error in [
            FunctionError::Failed("no".into()),
            FunctionError::Exited("signal 9".into()),
        ] {
            let (queue, polled) = answered(&mapping, Err(error)).await;
            assert!(polled.deleted.is_empty());
            assert!(queue.receive(10).unwrap().is_empty(), "not at once");
            advance(SECOND * 30).await;
            assert_eq!(queue.receive(10).unwrap().len(), 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_is_dropped_at_its_time_out_and_nothing_is_deleted() {
    struct Tell(Arc<std::sync::atomic::AtomicBool>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    let queue = standard();
    queue.send(Outgoing::new("a")).unwrap();
    let dropped = Arc::<std::sync::atomic::AtomicBool>::default();
    let tell = Arc::clone(&dropped);
    let hangs = function(move |_, invocation: dashpot::Invocation| {
        let tell = Tell(Arc::clone(&tell));
        async move {
            assert_eq!(
                invocation.deadline - tokio::time::Instant::now(),
                SECOND * 3
            );
            std::future::pending::<()>().await;
            drop(tell);
            Ok("null".to_owned())
        }
    });
    let start = tokio::time::Instant::now();
    let polled = reporting()
        .poll_once(&queue, &hangs)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(polled.answer, Err(FunctionError::TimedOut));
    assert_eq!(start.elapsed(), SECOND * 3);
    assert!(dropped.load(std::sync::atomic::Ordering::Relaxed));
    advance(SECOND * 26).await;
    assert!(queue.receive(1).unwrap().is_empty());
    advance(SECOND).await;
    assert_eq!(
        queue.receive(1).unwrap().len(),
        1,
        "counted from the receive"
    );
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_any_answer_deletes_everything() {
    for answer in [
        r#"{"batchItemFailures":[{"itemIdentifier":"{0}"}]}"#,
        "not json",
        "",
    ] {
        let (queue, _) = answered(&SqsMapping::default(), Ok(answer)).await;
        assert!(queue.is_empty(), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_above_six_megabytes_is_an_error() {
    let fits = format!("\"{}\"", "x".repeat(6 * 1024 * 1024 - 2));
    let (queue, _) = answered(&SqsMapping::default(), Ok(&fits)).await;
    assert!(queue.is_empty());
    let (queue, polled) = answered(&SqsMapping::default(), Ok(&format!("{fits} "))).await;
    assert_eq!(
        polled.answer,
        Err(FunctionError::AnswerTooLarge(6 * 1024 * 1024 + 1))
    );
    assert_eq!(queue.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_fails_brings_the_message_back() {
    let mapping = SqsMapping {
        delete_fails: DeleteFails::when(|received| {
            received.receive_count == 1 && received.message.body == "1"
        }),
        ..reporting()
    };
    let (queue, polled) = answered(&mapping, Ok("null")).await;
    assert_eq!(polled.verdict, Verdict::Success);
    assert_eq!(polled.deleted.len(), 2);
    advance(SECOND * 30).await;
    let done = function(|_, _| async { Ok("null".to_owned()) });
    let polled = mapping.poll_once(&queue, &done).await.unwrap().unwrap();
    assert_eq!(polled.messages[0].receive_count, 2);
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_visibility_the_function_changed_comes_back_when_it_said() {
    let queue = standard();
    queue.send(Outgoing::new("a")).unwrap();
    let sender = Arc::clone(&queue);
    let delays = function(move |event: String, _| {
        let event: serde_json::Value = serde_json::from_str(&event).unwrap();
        let record = &event["Records"][0];
        let receipt = record["receiptHandle"].as_str().unwrap();
        sender
            .change_visibility(receipt, Duration::from_secs(5))
            .unwrap();
        let answer = format!(
            r#"{{"batchItemFailures":[{{"itemIdentifier":{}}}]}}"#,
            record["messageId"]
        );
        std::future::ready(Ok(answer))
    });
    reporting().poll_once(&queue, &delays).await.unwrap();
    advance(SECOND * 5).await;
    assert_eq!(queue.receive(1).unwrap().len(), 1);
}
