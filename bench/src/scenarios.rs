//! What is measured.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::host::Host;
use crate::sqs::Queues;
use crate::{command_line, endpoint, event, example, peer};

type Env = BTreeMap<&'static str, String>;

struct Function {
    name: &'static str,
    binary: PathBuf,
    env: Env,
}

impl Function {
    fn new(name: &'static str, binary: PathBuf) -> Self {
        let env = Env::new();
        Self { name, binary, env }
    }

    /// With what a function in Lambda finds in its environment, and an endpoint that answers after so long.
    fn on_aws(mut self, latency: Duration) -> Self {
        let text = |(name, value): (&'static str, &str)| (name, value.to_owned());
        self.env.extend(
            [
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
                ("AWS_SESSION_TOKEN", "token"),
                ("TABLE_NAME", "stock"),
                ("QUEUE_URL", "http://127.0.0.1:9/stock"),
                (
                    "DEAD_LETTER_QUEUE_URL",
                    "http://127.0.0.1:9/stock-dead-letters",
                ),
            ]
            .map(text),
        );
        self.env
            .insert("AWS_ENDPOINT_URL", endpoint::start(latency));
        self
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    fn start(&self) -> Host {
        Host::start(&self.binary, &self.env)
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time per record, and its ratio to AWS's own sample way, round by round.
pub fn cpu() {
    let functions = [
        Function::new("aws sample way", peer("aws_sample")),
        Function::new("partial_failures", example("partial_failures")),
        Function::new("bare runtime", peer("bare")),
    ];
    println!(
        "| function | batch | us per record | ratio to the sample way | quartiles |\n|---|---|---|---|---|"
    );
    for records in [10, 100] {
        let event = event::batch(records, 2);
        let invocations = 2_000 / records;
        let hosts: Vec<Host> = functions.iter().map(Function::start).collect();
        for host in &hosts {
            for _ in 0..invocations {
                let (answer, _) = host.invoke(&event);
                assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
            }
        }
        let mut rounds: Vec<Vec<f64>> = Vec::new();
        for _ in 0..60 {
            let spent = hosts.iter().map(|host| {
                let before = host.cpu();
                for _ in 0..invocations {
                    host.invoke(&event);
                }
                let spent = (host.cpu() - before).as_secs_f64();
                spent * 1e6 / (invocations * records) as f64
            });
            rounds.push(spent.collect());
        }
        for (n, function) in functions.iter().enumerate() {
            let mut spent: Vec<f64> = rounds.iter().map(|round| round[n]).collect();
            let mut ratios: Vec<f64> = rounds.iter().map(|round| round[n] / round[0]).collect();
            let (spent, ratio) = (median(&mut spent), median(&mut ratios));
            let quarter = ratios.len() / 4;
            let (low, high) = (ratios[quarter], ratios[ratios.len() - 1 - quarter]);
            println!(
                "| {} | {records} | {spent:.2} | {ratio:.2} | {low:.2} to {high:.2} |",
                function.name
            );
        }
    }
}

/// From the start of the process to its first poll.
pub fn start() {
    let atomic = example("atomic");
    let functions = [
        Function::new("bare runtime", peer("bare")),
        Function::new("partial_failures", example("partial_failures")),
        Function::new("atomic, the system's roots", atomic.clone()).on_aws(Duration::ZERO),
        Function::new("atomic, Amazon's roots alone", atomic)
            .on_aws(Duration::ZERO)
            .with("TLS_ROOTS", "amazon"),
    ];
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    for _ in 0..61 {
        let start = |function: &Function| function.start().first_poll.as_secs_f64() * 1e3;
        rounds.push(functions.iter().map(start).collect());
    }
    println!(
        "| function | start to first poll, ms | fastest quarter | binary, MB |\n|---|---|---|---|"
    );
    for (n, function) in functions.iter().enumerate() {
        let mut times: Vec<f64> = rounds.iter().skip(1).map(|round| round[n]).collect();
        let middle = median(&mut times);
        let size = std::fs::metadata(&function.binary).map_or(0, |file| file.len());
        println!(
            "| {} | {middle:.1} | {:.1} | {:.1} |",
            function.name,
            times[times.len() / 4],
            size as f64 / 1e6
        );
    }
}

/// What is resident after a thousand batches of ten.
pub fn resident() {
    let functions = [
        Function::new("bare runtime", peer("bare")),
        Function::new("aws sample way", peer("aws_sample")),
        Function::new("partial_failures", example("partial_failures")),
        Function::new("atomic", example("atomic")).on_aws(Duration::ZERO),
    ];
    println!(
        "| function | resident after 1 batch, MiB | after 1,000 | the most ever |\n|---|---|---|---|"
    );
    for function in &functions {
        let host = function.start();
        let event = event::batch(10, 2);
        host.invoke(&event);
        let first = host.memory("VmRSS");
        for _ in 1..1000 {
            host.invoke(&event);
        }
        let mib = |kib: u64| kib as f64 / 1024.0;
        let (last, most) = (mib(host.memory("VmRSS")), mib(host.memory("VmHWM")));
        println!(
            "| {} | {:.1} | {last:.1} | {most:.1} |",
            function.name,
            mib(first)
        );
    }
}

/// Time and memory as the batch, and as the orders in it, grow.
pub fn growth() {
    let sample = Function::new("aws sample way", peer("aws_sample"));
    let ours = Function::new("partial_failures", example("partial_failures"));
    println!(
        "| records | lines an order | event, KiB | us per record: ours, sample way | the most resident, MiB: ours, sample way |\n|---|---|---|---|---|"
    );
    let shapes = [
        (10, 2),
        (100, 2),
        (1_000, 2),
        (10_000, 2),
        (100, 1),
        (100, 10),
        (100, 100),
    ];
    for (records, lines) in shapes {
        let event = event::batch(records, lines);
        let measured: Vec<(f64, f64)> = [&ours, &sample]
            .map(|function| {
                // A process of its own, so that the most resident is this event's.
                let host = function.start();
                let invocations = (40_000 / records / lines).max(5);
                host.invoke(&event);
                let mut spent: Vec<f64> = (0..5)
                    .map(|_| {
                        let before = host.cpu();
                        for _ in 0..invocations {
                            host.invoke(&event);
                        }
                        (host.cpu() - before).as_secs_f64() * 1e6 / (invocations * records) as f64
                    })
                    .collect();
                (median(&mut spent), host.memory("VmHWM") as f64 / 1024.0)
            })
            .into();
        println!(
            "| {records} | {lines} | {} | {:.2}, {:.2} | {:.1}, {:.1} |",
            event.len() / 1024,
            measured[0].0,
            measured[1].0,
            measured[0].1,
            measured[1].1
        );
    }
}

/// A batch of ten, atomic, against a table that answers in 5 ms: from the event's first byte to the answer's last.
pub fn store() {
    let atomic = Function::new("atomic", example("atomic")).on_aws(Duration::from_millis(5));
    let host = atomic.start();
    println!("| records | wall, ms: median | quartiles |\n|---|---|---|");
    for records in [1, 10, 100] {
        let event = event::batch(records, 2);
        host.invoke(&event);
        let mut walls: Vec<f64> = (0..200)
            .map(|_| {
                let (answer, wall) = host.invoke(&event);
                assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
                wall.as_secs_f64() * 1e3
            })
            .collect();
        let middle = median(&mut walls);
        let quarter = walls.len() / 4;
        println!(
            "| {records} | {middle:.1} | {:.1} to {:.1} |",
            walls[quarter],
            walls[walls.len() - 1 - quarter]
        );
    }
}

/// A dead-letter queue of 100,000 is listed and replayed, against a queue in memory.
pub fn replay() {
    const LETTERS: usize = 100_000;
    let binary = command_line();
    let queues = Queues::start(LETTERS);
    println!(
        "| command | seconds | messages a second | the most resident, MiB |\n|---|---|---|---|"
    );
    let limit = LETTERS.to_string();
    for command in [&["list"][..], &["replay", "--all", "--yes"]] {
        let start = Instant::now();
        let mut child = Command::new(&binary)
            .args(["--stack", "bench", "dlq"])
            .args(command)
            .args(["--limit", &limit])
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_ENDPOINT_URL", &queues.url)
            .stdout(Stdio::null())
            .spawn()
            .expect("the command line runs");
        let status = format!("/proc/{}/status", child.id());
        let mut most = 0;
        let ended = loop {
            if let Some(ended) = child.try_wait().expect("it can be asked") {
                break ended;
            }
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with("VmHWM"));
            let now = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            most = most.max(now.unwrap_or_default());
            thread::sleep(Duration::from_millis(20));
        };
        assert!(ended.success(), "{ended}");
        let seconds = start.elapsed().as_secs_f64();
        let rate = LETTERS as f64 / seconds;
        let name = command.join(" ");
        println!(
            "| dlq {name} | {seconds:.1} | {rate:.0} | {:.0} |",
            most as f64 / 1024.0
        );
        if command[0] == "list" {
            assert_eq!(queues.visible(), LETTERS, "everything is given back");
        }
    }
    assert_eq!((queues.sent(), queues.deleted()), (LETTERS, LETTERS));
}
