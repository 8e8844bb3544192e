//! Lambda's rules, held against a function that breaks them: the example `misbehaving`.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dashpot_testing::{
    Invoked, LARGEST_PAYLOAD, LambdaHost, Outgoing, QueueSettings, Settings, SimQueue, SqsMapping,
    Verdict,
};

async fn start(settings: Settings) -> LambdaHost {
    let tests: PathBuf = std::env::current_exe().unwrap().parent().unwrap().into();
    let binary = tests.with_file_name("examples").join("misbehaving");
    LambdaHost::start(binary, settings)
        .await
        .expect("without a choice of targets, `cargo test` builds the example")
}

async fn host() -> LambdaHost {
    start(Settings::default()).await
}

async fn answer(host: &LambdaHost, event: &str) -> String {
    match host.invoke(event).await {
        Invoked::Answer(answer) => answer,
        other => panic!("{event}: {other:?}"),
    }
}

fn signal(invoked: &Invoked) -> Option<i32> {
    match invoked {
        Invoked::Exited { status } => status.signal(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_event_and_its_answer_pass_unchanged_one_after_the_other_through_one_process() {
    let host = host().await;
    for event in ["{\"a\": 1}", "\"ä\"", ""] {
        assert_eq!(answer(&host, event).await, event);
    }
    assert_eq!(host.processes().await, 1);
}

#[tokio::test]
async fn a_process_is_told_the_request_the_deadline_the_function_and_the_trace() {
    let host = start(Settings::default().timeout(Duration::from_secs(20))).await;
    let told = answer(&host, "headers").await;
    let header = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}: {told}"))
            .trim()
            .to_owned()
    };
    assert_eq!(header("lambda-runtime-aws-request-id:").len(), 36);
    let deadline: u128 = header("lambda-runtime-deadline-ms:").parse().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    assert!(
        (now + 10_000..=now + 20_000).contains(&deadline),
        "{deadline}"
    );
    assert!(header("lambda-runtime-invoked-function-arn:").ends_with(":function:misbehaving"));
    assert!(header("lambda-runtime-trace-id:").starts_with("root=1-"));
}

#[tokio::test]
async fn nothing_of_the_hosts_own_environment_reaches_a_process() {
    let host = start(Settings::default().env("TABLE_NAME", "t")).await;
    let names = answer(&host, "environment").await;
    assert_eq!(
        names,
        "AWS_ACCESS_KEY_ID AWS_DEFAULT_REGION AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_NAME \
         AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME \
         AWS_LAMBDA_LOG_STREAM_NAME AWS_LAMBDA_RUNTIME_API AWS_REGION AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN \
         LAMBDA_RUNTIME_DIR LAMBDA_TASK_ROOT LANG PATH TABLE_NAME TZ _HANDLER"
    );
}

#[tokio::test]
async fn past_its_timeout_a_process_is_killed_and_the_next_invocation_has_a_new_one() {
    let host = start(Settings::default().timeout(Duration::from_millis(200))).await;
    let start = Instant::now();
    assert_eq!(host.invoke("hang").await, Invoked::TimedOut);
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(host.process().await, None);
    assert_eq!(answer(&host, "1").await, "1");
    assert_eq!(host.processes().await, 2);
}

#[tokio::test]
async fn a_process_that_ends_in_the_middle_is_told_with_how_it_ended() {
    let host = host().await;
    let Invoked::Exited { status } = host.invoke("exit").await else {
        panic!("it did not exit");
    };
    assert_eq!(status.code(), Some(7));
    assert_eq!(signal(&host.invoke("abort").await), Some(6));
    assert_eq!(answer(&host, "1").await, "1");
    assert_eq!(host.processes().await, 3);
}

#[tokio::test]
async fn a_process_that_ends_after_its_answer_is_replaced_in_silence() {
    let host = host().await;
    assert_eq!(answer(&host, "exit afterwards").await, "good bye");
    assert_eq!(answer(&host, "1").await, "1");
    assert_eq!(host.processes().await, 2);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_that_wants_more_memory_than_it_has_is_killed() {
    let host = start(
        Settings::default()
            .memory(64)
            .timeout(Duration::from_secs(30)),
    )
    .await;
    let before = host.usage().await.unwrap();
    assert!(before.resident < 64 << 20 && before.resident <= before.peak_resident);
    assert_eq!(signal(&host.invoke("eat").await), Some(9));
}

#[tokio::test]
async fn a_second_answer_is_refused_and_the_first_one_stands() {
    let host = host().await;
    assert_eq!(answer(&host, "twice").await, "first");
    let said = answer(&host, "said").await;
    assert!(
        said.starts_with("403 ") && said.contains("InvalidStateTransition"),
        "{said}"
    );
}

#[tokio::test]
async fn an_answer_under_another_id_is_refused() {
    let host = host().await;
    assert_eq!(answer(&host, "other").await, "for this one");
    let said = answer(&host, "said").await;
    assert!(
        said.starts_with("400 ") && said.contains("InvalidRequestID"),
        "{said}"
    );
}

#[tokio::test]
async fn whoever_asks_for_the_next_event_before_an_answer_gets_the_same_again() {
    let host = host().await;
    assert_eq!(answer(&host, "again").await, "again true");
}

#[tokio::test]
async fn an_answer_above_6_mb_is_refused_and_fails_the_invocation() {
    let host = start(Settings::default().timeout(Duration::from_secs(30))).await;
    let Invoked::Error { kind, .. } = host.invoke("large").await else {
        panic!("it was taken");
    };
    assert_eq!(kind, "Function.ResponseSizeTooLarge");
    let said = answer(&host, "said").await;
    assert!(
        said.starts_with("413 ") && said.contains("RequestEntityTooLarge"),
        "{said}"
    );
}

#[tokio::test]
async fn an_event_above_6_mb_never_reaches_the_function() {
    let host = start(Settings::default().timeout(Duration::from_secs(30))).await;
    let largest = "x".repeat(LARGEST_PAYLOAD);
    assert_eq!(host.invoke(&format!("{largest}x")).await, Invoked::TooLarge);
    assert_eq!(answer(&host, &largest).await.len(), LARGEST_PAYLOAD);
}

#[tokio::test]
async fn an_error_is_told_in_the_functions_words() {
    let host = host().await;
    let error = Invoked::Error {
        kind: "Runtime.UnknownReason".into(),
        message: "told to".into(),
    };
    assert_eq!(host.invoke("error").await, error);
    assert_eq!(answer(&host, "1").await, "1");
    assert_eq!(host.processes().await, 1);
}

#[tokio::test]
async fn a_function_that_cannot_start_says_so_at_every_invocation() {
    let host = start(Settings::default().env("FAILS", "1")).await;
    for _ in 0..2 {
        let Invoked::Error { message, .. } = host.invoke("1").await else {
            panic!("it started");
        };
        assert_eq!(message, "no configuration");
    }
    assert_eq!(host.processes().await, 3);
}

#[tokio::test]
async fn the_time_to_start_is_measured() {
    let host = start(Settings::default().env("STARTS_AFTER_MS", "50")).await;
    assert!(host.init_duration().await.unwrap() >= Duration::from_millis(50));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn between_invocations_a_process_gets_no_further() {
    let host = host().await;
    answer(&host, "detached").await;
    // Frozen as soon as it asks for the next event.
    let state = || async {
        let process = host.process().await.unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        stat.rsplit(')')
            .next()
            .unwrap()
            .trim()
            .chars()
            .next()
            .unwrap()
    };
    while state().await != 'T' {
        tokio::task::yield_now().await;
    }
    host.take_stdout().unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(host.take_stdout().unwrap().is_empty(), "it went on");
    assert_eq!(answer(&host, "1").await, "1");
}

#[tokio::test]
async fn what_is_printed_before_the_answer_is_there_after_it() {
    let host = host().await;
    answer(&host, "print").await;
    assert_eq!(host.take_stdout().unwrap(), ["printed"]);
    assert_eq!(host.take_stderr().unwrap(), ["complained"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn with_the_host_goes_the_process() {
    let host = host().await;
    let process = host.process().await.unwrap();
    drop(host);
    assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
}

#[tokio::test]
async fn a_mapping_invokes_a_real_process_as_any_function() {
    let host = start(Settings::default().timeout(Duration::from_secs(3))).await;
    let queue = SimQueue::new(QueueSettings::standard("real"));
    queue.send(Outgoing::new("1")).unwrap();
    let mapping = SqsMapping {
        report_batch_item_failures: true,
        ..SqsMapping::default()
    };
    // It answers with its event, which is an object without a word of failures.
    let polled = mapping.poll_once(&queue, &host).await.unwrap().unwrap();
    assert_eq!(polled.verdict, Verdict::Success);
    assert!(queue.is_empty());
}
