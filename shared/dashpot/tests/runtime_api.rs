//! A function's process, from outside: what Lambda sees of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use dashpot_testing::{Delivery, sqs_event};
use serde_json::json;

/// The example `partial_failures`, which `cargo test` builds into the folder beside the tests'.
struct Function(Child);

impl Function {
    fn start(runtime_api: &str) -> Self {
        let tests: PathBuf = std::env::current_exe().unwrap().parent().unwrap().into();
        let binary = tests.with_file_name("examples").join("partial_failures");
        let child = Command::new(binary)
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_LAMBDA_FUNCTION_NAME", "partial_failures")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("without a choice of targets, `cargo test` builds the example");
        Self(child)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // Only fails for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads one request: its first line, and its body.
fn request(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        match header.to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first, String::from_utf8(body).unwrap())
}

/// Lambda's Runtime API: hands out the events, one after the other, and passes on what the function says to each.
fn runtime_api(events: Vec<String>) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (answers, answered) = channel();
    thread::spawn(move || {
        let mut events = events.into_iter().enumerate();
        // Every answer ends its connection, so that each request comes on one of its own.
        while let Ok((mut stream, _)) = listener.accept() {
            let (first, body) = request(&stream);
            let event = if first.starts_with("GET /2018-06-01/runtime/invocation/next ") {
                let Some(next) = events.next() else { break };
                next
            } else {
                answers.send((first, body)).unwrap();
                (0, String::new())
            };
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\
                 lambda-runtime-aws-request-id: request-{}\r\nlambda-runtime-deadline-ms: {}\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:123456789012:function:billing\r\n\r\n{}",
                event.1.len(),
                event.0,
                dashpot::now() + 30_000,
                event.1
            )
            .unwrap();
        }
    });
    (address, answered)
}

fn order(id: &str, user: &str) -> Delivery {
    let body = json!({
        "type": "order.created",
        "payload": { "orderId": id, "userId": user, "items": [{ "quantity": 2, "unitPrice": 4999 }] },
        "metadata": { "timestamp": 1_732_464_000_000_u64, "correlationId": "req_789", "version": 1 },
    });
    Delivery::new(id, body.to_string())
}

#[test]
fn a_panic_is_one_failed_message_and_the_process_lives_on() {
    let mixed = [
        order("good", "user_456"),
        order("panic", "panic_1"),
        order("also-good", "user_456"),
        Delivery::new("no-json", "{\"type\":"),
        order("fail", "fail_1"),
    ];
    let batches = [
        sqs_event("billing", &mixed),
        sqs_event("billing", &mixed[..1]),
    ];
    let (address, answers) = runtime_api(batches.into());
    let _function = Function::start(&address);
    let answer = || answers.recv_timeout(Duration::from_secs(30)).unwrap();

    let (request, body) = answer();
    assert_eq!(
        request.trim_end(),
        "POST /2018-06-01/runtime/invocation/request-0/response HTTP/1.1"
    );
    assert_eq!(
        body,
        r#"{"batchItemFailures":[{"itemIdentifier":"panic"},{"itemIdentifier":"no-json"},{"itemIdentifier":"fail"}]}"#
    );
    assert_eq!(answer().1, r#"{"batchItemFailures":[]}"#);
}
