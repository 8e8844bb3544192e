//! A function's process, from outside: what Lambda sees of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use dashpot_testing::{Delivery, Invoked, LambdaHost, Settings, sqs_event};
use serde_json::json;

/// The example `partial_failures`, which `cargo test` builds into the folder beside the tests'.
async fn function() -> LambdaHost {
    let tests: PathBuf = std::env::current_exe().unwrap().parent().unwrap().into();
    let binary = tests.with_file_name("examples").join("partial_failures");
    LambdaHost::start(binary, Settings::default())
        .await
        .expect("without a choice of targets, `cargo test` builds the example")
}

fn order(id: &str, user: &str) -> Delivery {
    let body = json!({
        "type": "order.created",
        "payload": { "orderId": id, "userId": user, "items": [{ "quantity": 2, "unitPrice": 4999 }] },
        "metadata": { "timestamp": 1_732_464_000_000_u64, "correlationId": "req_789", "version": 1 },
    });
    Delivery::new(id, body.to_string())
}

#[tokio::test]
async fn a_panic_is_one_failed_message_and_the_process_lives_on() {
    let function = function().await;
    let mixed = [
        order("good", "user_456"),
        order("panic", "panic_1"),
        order("also-good", "user_456"),
        Delivery::new("no-json", "{\"type\":"),
        order("fail", "fail_1"),
    ];
    let answer = function.invoke(&sqs_event("billing", &mixed)).await;
    assert_eq!(
        answer,
        Invoked::Answer(
            r#"{"batchItemFailures":[{"itemIdentifier":"panic"},{"itemIdentifier":"no-json"},{"itemIdentifier":"fail"}]}"#
                .into()
        )
    );
    let answer = function.invoke(&sqs_event("billing", &mixed[..1])).await;
    assert_eq!(
        answer,
        Invoked::Answer(r#"{"batchItemFailures":[]}"#.into())
    );
    assert_eq!(function.processes().await, 1);
}

#[tokio::test]
async fn what_is_no_sqs_event_is_an_error_of_the_invocation() {
    let function = function().await;
    let Invoked::Error { message, .. } = function.invoke("{}").await else {
        panic!("it was answered");
    };
    assert!(
        message.starts_with("the payload is not an SQS event"),
        "{message}"
    );
    assert_eq!(function.processes().await, 1);
}

#[tokio::test]
async fn every_line_that_is_logged_is_json_and_out_before_the_answer() {
    let function = function().await;
    function
        .invoke(&sqs_event("billing", &[order("fail", "fail_1")]))
        .await;
    let lines = function.take_stdout().unwrap();
    assert!(!lines.is_empty());
    for line in lines {
        serde_json::from_str::<serde_json::Value>(&line).expect(&line);
    }
}
