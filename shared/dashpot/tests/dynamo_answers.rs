//! The store on DynamoDB, against a table that answers whatever it is told to: each of DynamoDB's answers has its
//! verdict, and nothing that was not read is taken for nothing.
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>
#![cfg(feature = "dynamodb")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::Region;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use dashpot::{CommitError, DynamoStore, Key, Row, Store, StoreError, Write};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a request gets.
#[derive(Debug, Clone)]
enum Answer {
    Of(u16, String),
    Reset,
    Silence,
}

/// A table on this machine that gives the answers of a script, the last one for ever.
struct Table {
    store: DynamoStore,
    asked: Arc<Mutex<Vec<Value>>>,
    _serving: JoinSet<()>,
}

impl Table {
    async fn answering(script: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Value>>>::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, script.to_vec(), Arc::clone(&asked)));

        // As a function has it, but for the time that a test would wait.
        let config = dashpot::aws::in_lambda().await;
        let retries = config.retry_config().unwrap().clone();
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let impatient = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_millis(300))
            .operation_timeout(Duration::from_secs(5));
        let config = config
            .into_builder()
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(retries.with_initial_backoff(Duration::from_millis(1)))
            .timeout_config(impatient.build())
            .endpoint_url(url)
            .build();
        Self {
            store: DynamoStore::new(&config, "table"),
            asked,
            _serving: serving,
        }
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }

    /// The verdict about one row that is put under a condition.
    async fn one(&self) -> CommitError {
        let write = Write::create(Row::new(Key::new("a")));
        self.store.commit(&[write]).await.unwrap_err()
    }

    /// The verdict about so many.
    async fn many(&self, count: usize) -> CommitError {
        let row = |n: usize| Write::create(Row::new(Key::new(format!("row-{n}"))));
        let writes: Vec<Write> = (0..count).map(row).collect();
        self.store.commit(&writes).await.unwrap_err()
    }

    async fn get(&self, keys: &[&str]) -> Result<Vec<bool>, StoreError> {
        let keys: Vec<Key> = keys.iter().map(|key| Key::new(*key)).collect();
        let rows = self.store.get(&keys).await?;
        Ok(rows.iter().map(Option::is_some).collect())
    }
}

async fn serve(listener: TcpListener, script: Vec<Answer>, asked: Arc<Mutex<Vec<Value>>>) {
    let mut script = VecDeque::from(script);
    let mut silent = Vec::new();
    while let Ok((mut socket, _)) = listener.accept().await {
        // A connection without a request is one that its client gave up.
        let Some(request) = read(&mut socket).await else {
            continue;
        };
        asked.lock().unwrap().push(request);
        let answer = script.front().cloned().unwrap();
        if script.len() > 1 {
            script.pop_front();
        }
        match answer {
            Answer::Of(status, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Whatever\r\ncontent-type: application/x-amz-json-1.0\r\n\
                     content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            Answer::Reset => socket.set_zero_linger().unwrap(),
            Answer::Silence => silent.push(socket),
        }
    }
}

async fn read(socket: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.map_or(0, |length| length.parse().unwrap()) {
                return serde_json::from_str(body).ok();
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn fine(body: &Value) -> Answer {
    Answer::Of(200, body.to_string())
}

fn error(status: u16, kind: &str) -> Answer {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    Answer::Of(
        status,
        json!({ "__type": kind, "message": "told so" }).to_string(),
    )
}

/// A transaction that was cancelled, for these reasons; a refused condition shows the row that stands there.
fn cancelled(codes: &[&str]) -> Answer {
    let reason = |code: &&str| match *code {
        "ConditionalCheckFailed" => json!({
            "Code": code, "Message": "The conditional request failed",
            "Item": { "pk": { "S": "row" }, "sk": { "S": "-" }, "cause": { "S": "another" } },
        }),
        "None" => json!({ "Code": code }),
        _ => json!({ "Code": code, "Message": "told so" }),
    };
    let reasons: Vec<Value> = codes.iter().map(reason).collect();
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let body = json!({ "__type": kind, "Message": "cancelled", "CancellationReasons": reasons });
    Answer::Of(400, body.to_string())
}

fn row(pk: &str) -> Value {
    json!({ "pk": { "S": pk }, "sk": { "S": "-" } })
}

/// Rows that were read, and keys that were not.
fn read_of(rows: &[&str], unread: &[&str]) -> Answer {
    let all = |names: &[&str]| names.iter().map(|name| row(name)).collect::<Vec<_>>();
    let mut body = json!({ "Responses": { "table": all(rows) }, "UnprocessedKeys": {} });
    if !unread.is_empty() {
        body["UnprocessedKeys"]["table"] = json!({ "Keys": all(unread), "ConsistentRead": true });
    }
    fine(&body)
}

#[tokio::test]
async fn a_refused_condition_comes_before_all_other_reasons() {
    let every = [
        "None",
        "TransactionConflict",
        "ConditionalCheckFailed",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
        "ValidationError",
        "ItemCollectionSizeLimitExceeded",
    ];
    let table = Table::answering(&[cancelled(&every)]).await;
    let CommitError::Refused(refusals) = table.many(every.len()).await else {
        panic!("what is known to be done already would be parked, or wait");
    };
    assert_eq!(refusals.len(), 1);
    assert_eq!(
        (refusals[0].index, &refusals[0].key),
        (2, &Key::new("row-2"))
    );
    let row = refusals[0].row.as_ref().unwrap();
    assert_eq!(row["cause"].as_str(), Some("another"));
    assert_eq!(
        table.asked().len(),
        1,
        "a cancelled transaction is no matter of repeating"
    );
}

#[tokio::test]
async fn every_other_cancellation_has_the_verdict_of_its_worst_reason() {
    let verdict = async |codes: &[&str]| {
        let table = Table::answering(&[cancelled(codes)]).await;
        table.many(codes.len()).await
    };
    let (none, conflict) = ("None", "TransactionConflict");
    for throttle in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
        let throttled = verdict(&[none, throttle]).await;
        assert!(matches!(throttled, CommitError::Throttled), "{throttled:?}");
        let both = verdict(&[throttle, conflict]).await;
        assert!(matches!(both, CommitError::Conflict), "{both:?}");
    }
    for never in ["ValidationError", "ItemCollectionSizeLimitExceeded"] {
        let invalid = verdict(&[conflict, "ThrottlingError", never]).await;
        assert!(matches!(invalid, CommitError::Invalid(_)), "{invalid:?}");
    }
    for unknown in [[none, none], [none, "SomethingNew"]] {
        let unknown = verdict(&unknown).await;
        assert!(matches!(unknown, CommitError::Unknown(_)), "{unknown:?}");
    }
}

#[tokio::test]
async fn each_error_of_a_transaction_has_its_verdict() {
    for (kind, status, attempts, verdict) in [
        ("TransactionInProgressException", 400, 3, "Conflict"),
        ("IdempotentParameterMismatchException", 400, 1, "Unknown"),
        (
            "ProvisionedThroughputExceededException",
            400,
            3,
            "Throttled",
        ),
        ("ThrottlingException", 400, 3, "Throttled"),
        ("RequestLimitExceeded", 400, 3, "Throttled"),
        ("ValidationException", 400, 1, "Invalid"),
        ("ResourceNotFoundException", 400, 1, "Unknown"),
        ("AccessDeniedException", 400, 1, "Unknown"),
        ("InternalServerError", 500, 3, "Unknown"),
        ("ServiceUnavailable", 503, 3, "Unknown"),
    ] {
        let table = Table::answering(&[error(status, kind)]).await;
        let told = format!("{:?}", table.many(2).await);
        assert!(told.starts_with(verdict), "{kind}: {told}");
        let asked = table.asked();
        assert_eq!(asked.len(), attempts, "{kind}");
        let token = &asked[0]["ClientRequestToken"];
        assert!(token.is_string(), "a repeat without it would count twice");
        assert!(
            asked
                .iter()
                .all(|again| again["ClientRequestToken"] == *token),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn each_error_of_a_single_write_has_its_verdict() {
    for (kind, status, verdict) in [
        ("TransactionConflictException", 400, "Conflict"),
        ("ReplicatedWriteConflictException", 400, "Conflict"),
        ("ProvisionedThroughputExceededException", 400, "Throttled"),
        ("ItemCollectionSizeLimitExceededException", 400, "Invalid"),
        ("ValidationException", 400, "Invalid"),
        ("InternalServerError", 500, "Unknown"),
    ] {
        let table = Table::answering(&[error(status, kind)]).await;
        let told = format!("{:?}", table.one().await);
        assert!(told.starts_with(verdict), "{kind}: {told}");
    }
    let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    let refused =
        json!({ "__type": kind, "message": "The conditional request failed", "Item": row("a") });
    let table = Table::answering(&[Answer::Of(400, refused.to_string())]).await;
    let CommitError::Refused(refusals) = table.one().await else {
        panic!("its condition did not hold");
    };
    assert_eq!(refusals[0].row.as_ref().unwrap()["pk"].as_str(), Some("a"));
}

#[tokio::test]
async fn no_answer_to_a_write_is_unknown_and_never_done() {
    for answer in [
        Answer::Reset,
        Answer::Silence,
        Answer::Of(200, "{\"Attributes\":".into()),
        Answer::Of(500, "<html>".into()),
        Answer::Of(400, "not JSON".into()),
    ] {
        let table = Table::answering(std::slice::from_ref(&answer)).await;
        for verdict in [table.one().await, table.many(2).await] {
            assert!(
                matches!(verdict, CommitError::Unknown(_)),
                "{answer:?}: {verdict:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_mishap_is_made_good_by_the_next_attempt() {
    for mishap in [
        Answer::Reset,
        Answer::Silence,
        error(500, "InternalServerError"),
        error(400, "TransactionInProgressException"),
        error(400, "ThrottlingException"),
    ] {
        let table = Table::answering(&[mishap.clone(), fine(&json!({}))]).await;
        let writes = ["a", "b"].map(|key| Write::create(Row::new(Key::new(key))));
        let committed = table.store.commit(&writes).await;
        assert!(committed.is_ok(), "{mishap:?}: {committed:?}");
        assert_eq!(table.asked().len(), 2, "{mishap:?}");
    }
}

#[tokio::test]
async fn keys_that_were_not_processed_are_asked_for_again_and_only_those() {
    let table = Table::answering(&[read_of(&["a"], &["b", "c"]), read_of(&["c"], &[])]).await;
    assert_eq!(
        table.get(&["c", "a", "b"]).await.unwrap(),
        [true, true, false]
    );
    let asked = table.asked();
    assert_eq!(asked.len(), 2);
    let again = &asked[1]["RequestItems"]["table"];
    assert_eq!(again["Keys"], json!([row("b"), row("c")]));
    assert_eq!(again["ConsistentRead"], true);
}

#[tokio::test]
async fn keys_that_are_never_processed_are_an_error_and_no_missing_row() {
    let table = Table::answering(&[read_of(&["a"], &["b"])]).await;
    let error = table.get(&["a", "b"]).await.unwrap_err();
    assert!(error.to_string().contains("throttling"), "{error}");
    assert_eq!(table.asked().len(), 5);
}

#[tokio::test]
async fn no_answer_to_a_read_is_an_error_and_no_missing_row() {
    let unkeyed = json!({ "Responses": { "table": [{ "price": { "N": "1" } }] } });
    for answer in [
        Answer::Reset,
        Answer::Silence,
        Answer::Of(200, "{\"Responses\":".into()),
        fine(&json!({})),
        fine(&unkeyed),
        Answer::Of(200, String::new()),
        error(500, "InternalServerError"),
        error(400, "ProvisionedThroughputExceededException"),
        error(400, "ResourceNotFoundException"),
    ] {
        let table = Table::answering(std::slice::from_ref(&answer)).await;
        let read = table.get(&["a"]).await;
        assert!(read.is_err(), "{answer:?}: {read:?}");
    }
}
