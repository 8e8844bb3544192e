//! A Lambda function's process behind a fake Runtime API that is as fast as it can be: connections are kept, and the next
//! event is there when it is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(120);

pub struct Host {
    child: Child,
    events: Sender<Arc<Vec<u8>>>,
    /// The process asks for an event: it is idle.
    polled: Receiver<Instant>,
    answers: Receiver<(Instant, String)>,
    /// From before the process was made to its first poll.
    pub first_poll: Duration,
}

impl Host {
    pub fn start(binary: &Path, env: &BTreeMap<&str, String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (events, waiting) = channel::<Arc<Vec<u8>>>();
        let waiting = Arc::new(Mutex::new(waiting));
        let (polls, polled) = channel();
        let (said, answers) = channel();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (waiting, polls, said) = (waiting.clone(), polls.clone(), said.clone());
                // It ends with the connection, and that with the process.
                thread::spawn(move || serve(&stream, &waiting, &polls, &said));
            }
        });
        let started = Instant::now();
        let mut child = Command::new(binary)
            .env_clear()
            .envs(env)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        // As Lambda does, somebody reads what is logged.
        let mut lines = child.stdout.take().expect("it is piped");
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let polled_at = polled.recv_timeout(PATIENCE).expect("the function polls");
        Self {
            child,
            events,
            polled,
            answers,
            first_poll: polled_at - started,
        }
    }

    /// Hands over an event and waits until the process asks for the next one: all that the event costs has been spent.
    /// Gives the answer, and how long that took from the event's first byte to the answer's last.
    pub fn invoke(&self, event: &Arc<Vec<u8>>) -> (String, Duration) {
        let start = Instant::now();
        self.events.send(event.clone()).expect("the host lives");
        let (at, answer) = self.answers.recv_timeout(PATIENCE).expect("an answer");
        self.polled.recv_timeout(PATIENCE).expect("the next poll");
        (answer, at - start)
    }

    /// The processor time of all the process's threads, user and system.
    pub fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let nanos = tasks.flatten().map(|task| {
            // The first number: nanoseconds on a processor.
            let spent = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let first = spent.split(' ').next().unwrap_or_default();
            first.parse().unwrap_or(0)
        });
        Duration::from_nanos(nanos.sum())
    }

    /// A field of `/proc/PID/status`, in KiB: `VmRSS` is what is resident, `VmHWM` the most that ever was.
    pub fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find(|line| line.starts_with(field));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .expect("the field")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection of the function's.
fn serve(
    stream: &TcpStream,
    events: &Mutex<Receiver<Arc<Vec<u8>>>>,
    polls: &Sender<Instant>,
    said: &Sender<(Instant, String)>,
) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    while let Some((first, body)) = request(&mut reader) {
        if first.starts_with("GET ") {
            if polls.send(Instant::now()).is_err() {
                return;
            }
            let Ok(event) = events.lock().expect("nobody panics").recv() else {
                return;
            };
            let deadline = SystemTime::now() + Duration::from_secs(60);
            let deadline = deadline.duration_since(UNIX_EPOCH).expect("after 1970");
            let mut answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
                 lambda-runtime-deadline-ms: {}\r\n\
                 lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:123456789012:function:bench\r\n\r\n",
                event.len(),
                deadline.as_millis()
            )
            .into_bytes();
            answer.extend_from_slice(&event);
            if out.write_all(&answer).is_err() {
                return;
            }
        } else {
            let accepted = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
            if out.write_all(accepted).is_err() || said.send((Instant::now(), body)).is_err() {
                return;
            }
        }
    }
}

/// Reads one request: its head, and its body. None when the connection has ended.
pub fn request(reader: &mut impl BufRead) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        reader.read_line(&mut head).ok().filter(|&n| n > 0)?;
        match head[start..].split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            _ if head[start..].trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}
