//! A server on this machine that takes one request, gives one answer, and shows what it was sent.

use std::time::Duration;

use payment_gateway::{SecretKey, Stripe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One request as it came: the request line and the headers in lower case, the body as it is.
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// A client of a server that answers so, and what the server will have been sent.
pub(crate) async fn answering(status: u16, body: &str) -> (Stripe, JoinHandle<Request>) {
    let length = body.len();
    serving(format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\nrequest-id: req_1\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
    .await
}

/// A client of a server that writes these bytes and closes the connection.
pub(crate) async fn serving(answer: String) -> (Stripe, JoinHandle<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stripe = client(&listener);
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let request = read(&mut socket).await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        request
    });
    (stripe, served)
}

pub(crate) fn client(listener: &TcpListener) -> Stripe {
    let url = format!("http://{}", listener.local_addr().unwrap());
    let key = SecretKey::parse("sk_test_loopback").unwrap();
    Stripe::new(&url.parse().unwrap(), &key, Duration::from_secs(5)).unwrap()
}

async fn read(socket: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (line, headers) = head.split_once("\r\n").unwrap();
            let headers = headers.to_ascii_lowercase();
            let length = headers
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.map_or(0, |length| length.parse().unwrap()) {
                return Request {
                    line: line.to_owned(),
                    headers,
                    body: body.to_owned(),
                };
            }
        }
        assert_ne!(
            socket.read_buf(&mut bytes).await.unwrap(),
            0,
            "half a request"
        );
    }
}
