//! What a caller sees of each fault on the wire, and what the other side does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashpot_testing::fault::Fault;
use dashpot_testing::proxy::{Outcome, Proxy, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const DELAY: Duration = Duration::from_millis(100);

/// An endpoint that counts, and answers everything with `yes`.
async fn endpoint() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let acted = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&acted);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await;
            counting.fetch_add(1, Ordering::SeqCst);
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes")
                .await;
        }
    });
    (url, acted)
}

async fn call(proxy: &Proxy, headers: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(proxy.url().trim_start_matches("http://")).await?;
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

const TRANSACT: &str = "x-amz-target: DynamoDB_20120810.TransactWriteItems\r\n";

#[tokio::test]
async fn each_fault_is_seen_as_what_it_is_and_acts_only_where_it_should() {
    for (fault, acts) in [
        (Fault::FailBefore, 0),
        (Fault::LoseAnswer, 1),
        (Fault::Delay(DELAY), 1),
        (Fault::Late(DELAY), 1),
        (Fault::Throttle, 0),
        (Fault::Conflict, 0),
        (Fault::Reset, 0),
        (Fault::KillBefore, 0),
        (Fault::KillAfter, 1),
        (Fault::Orphan(DELAY), 1),
    ] {
        let (url, acted) = endpoint().await;
        let wire = Wire::new(move |_| Some(fault));
        let killed = Arc::new(AtomicUsize::new(0));
        let killing = Arc::clone(&killed);
        wire.kills_by(move || {
            killing.fetch_add(1, Ordering::SeqCst);
        });
        let proxy = Proxy::start(&url, &wire).await.unwrap();
        let start = Instant::now();
        let answer = call(&proxy, TRANSACT, r#"{"TransactItems":[{},{}]}"#).await;
        match fault {
            Fault::FailBefore => assert!(answer.unwrap().starts_with("HTTP/1.1 500 ")),
            Fault::Throttle => assert!(answer.unwrap().contains("ThrottlingException")),
            Fault::Conflict => {
                let answer = answer.unwrap();
                assert!(answer.contains("TransactionConflict"), "{answer}");
                // One reason for each item.
                assert!(answer.contains(r#"{"Code":"None"}"#), "{answer}");
            }
            Fault::Delay(_) | Fault::Late(_) => {
                assert!(answer.unwrap().ends_with("yes"));
                assert!(start.elapsed() >= DELAY);
            }
            Fault::Reset => {
                assert_eq!(answer.unwrap_err().kind(), ErrorKind::ConnectionReset);
            }
            _ => assert_eq!(answer.unwrap(), "", "{fault:?}"),
        }
        assert_eq!(acted.load(Ordering::SeqCst), acts, "{fault:?}");
        assert_eq!(killed.load(Ordering::SeqCst), usize::from(fault.kills()));
    }
}

#[tokio::test]
async fn what_is_late_arrives_though_nobody_waits_for_it_any_more() {
    let (url, acted) = endpoint().await;
    let wire = Wire::new(|_| Some(Fault::Late(DELAY)));
    let proxy = Proxy::start(&url, &wire).await.unwrap();
    assert!(timeout(DELAY / 4, call(&proxy, "", "")).await.is_err());
    assert_eq!(wire.seen()[0].outcome, Outcome::Pending);
    while acted.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_attempts_at_one_call_are_one_call() {
    let (url, _) = endpoint().await;
    let wire = Wire::new(|_| None);
    let proxy = Proxy::start(&url, &wire).await.unwrap();
    for id in ["a", "a", "b", "a"] {
        let headers = format!("amz-sdk-invocation-id: {id}\r\n");
        call(&proxy, &headers, "").await.unwrap();
    }
    call(&proxy, "", "").await.unwrap();
    let seen: Vec<_> = wire
        .seen()
        .iter()
        .map(|seen| (seen.call.index, seen.call.attempt))
        .collect();
    assert_eq!(seen, [(0, 1), (0, 2), (1, 1), (0, 3), (2, 1)]);
    assert_eq!(wire.calls(), 3);
}

#[tokio::test]
async fn a_fault_that_a_service_does_not_know_did_not_happen() {
    let (url, acted) = endpoint().await;
    let wire = Wire::new(|_| Some(Fault::Conflict));
    let proxy = Proxy::start(&url, &wire).await.unwrap();
    let answer = call(&proxy, "x-amz-target: AmazonSQS.SendMessage\r\n", "{}").await;
    assert!(answer.unwrap().ends_with("yes"));
    assert_eq!(
        (acted.load(Ordering::SeqCst), wire.seen()[0].fault),
        (1, None)
    );
}
