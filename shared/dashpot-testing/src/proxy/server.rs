use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::refusal::{Answer, conflict, throttled, unavailable};
use super::service::Operation;
use super::wire::{Outcome, Wire};
use crate::fault::Fault;

/// An HTTP/1.1 proxy on 127.0.0.1 before one endpoint. It passes everything on unchanged, the `Host` included, so that
/// signatures hold, but for what the [`Wire`] says. Dropping it ends it; what is on its way already goes on.
///
/// ```
/// use dashpot_testing::fault::Fault;
/// use dashpot_testing::proxy::{Outcome, Proxy, Wire};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio::net::TcpStream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// // The second call is refused, in the words of the service that it is for.
/// let wire = Wire::new(|call| (call.index == 1).then_some(Fault::Throttle));
/// let proxy = Proxy::start("http://127.0.0.1:4566", &wire).await?;
///
/// for _ in 0..2 {
///     let mut caller = TcpStream::connect(proxy.url().trim_start_matches("http://")).await?;
///     caller.write_all(b"GET /v1/orders HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
///     let mut answer = String::new();
///     caller.read_to_string(&mut answer).await?;
/// }
/// let seen = wire.seen();
/// assert_eq!(seen[1].call.operation, "GET /v1/orders");
/// assert_eq!(seen[1].outcome, Outcome::Status(429));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy before `endpoint`: `http://127.0.0.1:4566`.
    ///
    /// # Errors
    /// There is no free port, or the endpoint is no address of this kind.
    pub async fn start(endpoint: &str, wire: &Wire) -> io::Result<Self> {
        let there = endpoint
            .strip_prefix("http://")
            .unwrap_or(endpoint)
            .trim_end_matches('/');
        let there: SocketAddr = there.parse().map_err(|_| {
            let told = format!("`{endpoint}` is not of the form http://127.0.0.1:4566");
            io::Error::new(io::ErrorKind::InvalidInput, told)
        })?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, there, wire.clone()));
        Ok(Self {
            address,
            _serving: serving,
        })
    }

    /// Where it stands, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(listener: TcpListener, there: SocketAddr, wire: Wire) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        connections.spawn(connection(stream, there, wire.clone()));
    }
}

async fn connection(stream: TcpStream, there: SocketAddr, wire: Wire) {
    let resets = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| {
        let (wire, resets) = (wire.clone(), Arc::clone(&resets));
        Box::pin(async move {
            answer(request, there, wire).await.map_err(|end| {
                resets.store(matches!(end, End::Reset), Ordering::Relaxed);
                // An error makes hyper end the connection without a word.
                io::Error::from(io::ErrorKind::ConnectionAborted)
            })
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error is an answer that was not given, on purpose, or a caller that went away.
    let _ = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let stream = connection.into_parts().io.into_inner();
    if resets.load(Ordering::Relaxed) {
        // Closed with this, it is a reset that the caller sees, and no end.
        let _ = stream.set_zero_linger();
    }
}

/// How a connection ends without an answer.
enum End {
    Dropped,
    Reset,
}

async fn answer(request: Request<Incoming>, there: SocketAddr, wire: Wire) -> Result<Answer, End> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| End::Dropped)?.to_bytes();
    let operation = Operation::of(&head, &body);
    let id = head
        .headers
        .get("amz-sdk-invocation-id")
        .and_then(|id| id.to_str().ok());
    let (place, fault) = wire.begin(operation.name.clone(), id);
    // In a task of its own: what a caller has sent arrives, whether or not it still waits.
    let acting = {
        let wire = wire.clone();
        tokio::spawn(async move { act(head, body, &operation, there, fault, &wire, place).await })
    };
    let answer = acting.await.unwrap_or(Err(End::Dropped));
    wire.end(
        place,
        match &answer {
            Ok(answer) => Outcome::Status(answer.status().as_u16()),
            Err(_) => Outcome::Dropped,
        },
    );
    answer
}

async fn act(
    head: Parts,
    body: Bytes,
    operation: &Operation,
    there: SocketAddr,
    fault: Option<Fault>,
    wire: &Wire,
    place: usize,
) -> Result<Answer, End> {
    match fault {
        None => forward(head, body, there).await,
        Some(Fault::FailBefore) => Ok(unavailable(operation)),
        Some(Fault::LoseAnswer) => forward(head, body, there).await.and(Err(End::Dropped)),
        Some(Fault::Delay(time)) => {
            let answer = forward(head, body, there).await;
            tokio::time::sleep(time).await;
            answer
        }
        Some(Fault::Late(time)) => {
            tokio::time::sleep(time).await;
            forward(head, body, there).await
        }
        Some(Fault::Throttle) => Ok(throttled(operation)),
        Some(Fault::Conflict) => {
            if let Some(conflict) = conflict(operation, &body) {
                return Ok(conflict);
            }
            wire.forget_fault(place);
            forward(head, body, there).await
        }
        Some(Fault::Reset) => Err(End::Reset),
        Some(Fault::KillBefore) => {
            wire.kill();
            Err(End::Dropped)
        }
        Some(Fault::KillAfter) => {
            let _ = forward(head, body, there).await;
            wire.kill();
            Err(End::Dropped)
        }
        Some(Fault::Orphan(time)) => {
            wire.kill();
            tokio::time::sleep(time).await;
            forward(head, body, there).await.and(Err(End::Dropped))
        }
    }
}

/// How long the other side may take: longer than any caller waits.
const PATIENCE: Duration = Duration::from_mins(1);

async fn forward(head: Parts, body: Bytes, there: SocketAddr) -> Result<Answer, End> {
    match tokio::time::timeout(PATIENCE, exchange(head, body, there)).await {
        Ok(Ok(answer)) => Ok(answer),
        // The other side did not answer, so nobody does.
        Ok(Err(_)) | Err(_) => Err(End::Dropped),
    }
}

async fn exchange(head: Parts, body: Bytes, there: SocketAddr) -> Result<Answer, BoxError> {
    let stream = TcpStream::connect(there).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends with the sender.
    tokio::spawn(connection);
    let mut request = Request::from_parts(head, Full::new(body));
    unframe(request.headers_mut());
    let (head, body) = sender.send_request(request).await?.into_parts();
    let mut answer = Response::from_parts(head, Full::new(body.collect().await?.to_bytes()));
    unframe(answer.headers_mut());
    Ok(answer)
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Removes what is about one connection, and not about what is said on it.
fn unframe(headers: &mut HeaderMap) {
    for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
}
