//! An AWS endpoint on plain HTTP that says yes to everything, after a while: all that a commit needs of DynamoDB.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::host::request;

/// Gives the endpoint's URL.
pub fn start(latency: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            thread::spawn(move || serve(&stream, latency));
        }
    });
    format!("http://{address}")
}

fn serve(stream: &TcpStream, latency: Duration) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    let mut out = stream;
    while request(&mut reader).is_some() {
        thread::sleep(latency);
        let yes = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{}";
        if out.write_all(yes).is_err() {
            return;
        }
    }
}
