//! A function that does what its event says, and breaks every rule of the Runtime API that way: what the tests of
//! `LambdaHost` invoke. It speaks HTTP by hand, for no runtime would do this.

use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One request, and its answer: head and body.
fn call(method: &str, path: &str, body: &str) -> Result<(String, String)> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap_or_default();
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: lambda\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((head.to_ascii_lowercase(), body.to_owned()))
}

fn respond(id: &str, body: &str) -> Result<String> {
    let (head, told) = call("POST", &format!("invocation/{id}/response"), body)?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    Ok(format!("{status} {told}"))
}

fn main() -> Result<()> {
    if std::env::var("FAILS").is_ok() {
        call(
            "POST",
            "init/error",
            r#"{"errorMessage":"no configuration","errorType":"X"}"#,
        )?;
        std::process::exit(1);
    }
    if let Ok(time) = std::env::var("STARTS_AFTER_MS") {
        std::thread::sleep(Duration::from_millis(time.parse().unwrap_or_default()));
    }
    let mut said = String::new();
    loop {
        let (head, event) = call("GET", "invocation/next", "")?;
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
                .unwrap_or_default()
        };
        let id = header("lambda-runtime-aws-request-id:");
        match event.as_str() {
            "exit" => std::process::exit(7),
            "abort" => std::process::abort(),
            "hang" => std::thread::sleep(Duration::from_mins(10)),
            "eat" => {
                let mut eaten = Vec::new();
                loop {
                    eaten.push(vec![1_u8; 1 << 20]);
                    std::hint::black_box(&eaten);
                }
            }
            "headers" => drop(respond(&id, &head)?),
            "environment" => {
                let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
                names.sort();
                respond(&id, &names.join(" "))?;
            }
            "twice" => {
                respond(&id, "first")?;
                said = respond(&id, "second")?;
            }
            "other" => {
                said = respond("8476a536-e9f4-11e8-9739-2dfe598c3fcd", "for another")?;
                respond(&id, "for this one")?;
            }
            "large" => said = respond(&id, &"x".repeat(6 * 1024 * 1024 + 101))?,
            "again" => {
                // Asks for the next event before it has answered this one.
                let (head, event) = call("GET", "invocation/next", "")?;
                let same = head.contains(&id);
                respond(&id, &format!("{event} {same}"))?;
            }
            "error" => {
                call(
                    "POST",
                    &format!("invocation/{id}/error"),
                    r#"{"errorMessage":"told to"}"#,
                )?;
            }
            "detached" => {
                std::thread::spawn(|| {
                    for n in 0.. {
                        println!("{n}");
                        std::thread::sleep(Duration::from_millis(1));
                    }
                });
                respond(&id, "")?;
            }
            "print" => {
                println!("printed");
                eprintln!("complained");
                respond(&id, "")?;
            }
            "said" => drop(respond(&id, &said)?),
            "exit afterwards" => {
                respond(&id, "good bye")?;
                return Ok(());
            }
            other => drop(respond(&id, other)?),
        }
    }
}
