//! The [Runtime API] of one execution environment.
//!
//! Where the page says only that a request is refused, this follows AWS's own open-source [emulator of it]: an answer
//! under another id than the current one is 400 `InvalidRequestID`, one that comes out of turn (a second one) is 403
//! `InvalidStateTransition`, and a `next` while an event is being handled brings the same event again.
//!
//! [Runtime API]: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
//! [emulator of it]: https://github.com/aws/aws-lambda-runtime-interface-emulator

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http_body_util::{BodyExt, Collected, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::host::Invoked;

/// The largest answer: [6 MB], which in fact are 100 bytes more.
///
/// [6 MB]: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const LARGEST_ANSWER: usize = 6 * 1024 * 1024 + 100;

const VERSION: &str = "/2018-06-01/runtime/";

/// An event for the function, with what is told about it in headers.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) request_id: String,
    /// In milliseconds since the Unix epoch.
    pub(super) deadline: u64,
    pub(super) function_arn: String,
    pub(super) payload: Bytes,
}

/// How far the process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Initialising,
    /// It says that it cannot start.
    InitFailed,
    /// It waits for an event.
    Waiting,
    /// It has been given one.
    Busy,
    /// It has said its last word about that one, and has not asked for the next yet.
    Answered,
}

/// The server of one process. Dropping it ends its connections.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    progress: watch::Sender<Progress>,
    /// The group of processes that is stopped while it waits for an event.
    freezes: OnceLock<Pid>,
}

#[derive(Debug, Default)]
struct State {
    /// The request for the next event, while it waits for one.
    waiting: Option<oneshot::Sender<Event>>,
    current: Option<Event>,
    /// Where the answer goes; none once there was one.
    answer: Option<oneshot::Sender<Invoked>>,
    init_error: Option<Invoked>,
}

type Answer = Response<Full<Bytes>>;

impl RuntimeApi {
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            progress: watch::Sender::new(Progress::Initialising),
            freezes: OnceLock::new(),
        });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            _serving: serving,
        })
    }

    /// From now on stops this group of processes while it waits for an event.
    pub(super) fn freeze(&self, group: Pid) {
        // Not set before: there is one process to each server.
        let _ = self.shared.freezes.set(group);
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    pub(super) fn init_error(&self) -> Option<Invoked> {
        self.shared.state().init_error.clone()
    }

    /// Hands an event to the process, which must be waiting, and says where its answer will be.
    pub(super) fn deliver(&self, event: Event) -> oneshot::Receiver<Invoked> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.shared.state();
        state.current = Some(event.clone());
        state.answer = Some(answer);
        self.shared.progress.send_replace(Progress::Busy);
        self.shared.signal(Signal::CONT);
        if let Some(waiting) = state.waiting.take() {
            // Its connection may be gone: then the process asks again, and gets the same.
            let _ = waiting.send(event);
        }
        answered
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(shared.answer(request).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // An error is a process that went away.
        connections.spawn(async move { drop(connection.await) });
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only with the state at hand: so a stop never overtakes the event that is to be handled.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.freezes.get() {
            // One that has just ended needs no signal.
            let _ = kill_process_group(*group, signal);
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix(VERSION).unwrap_or_default();
        let path: Vec<&str> = path.split('/').collect();
        let kind = || {
            let header = head.headers.get("lambda-runtime-function-error-type");
            let kind = header.and_then(|value| value.to_str().ok());
            kind.unwrap_or("Runtime.UnknownReason").to_owned()
        };
        match (&head.method, path.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => self.response(id, body).await,
            (&Method::POST, ["invocation", id, "error"]) => self.error(id, kind(), body).await,
            (&Method::POST, ["init", "error"]) => {
                let error = function_error(kind(), body).await;
                self.init_failed(error)
            }
            (
                _,
                ["invocation", "next" | "response" | "error"]
                | ["invocation", _, _]
                | ["init", "error"],
            ) => plain(StatusCode::METHOD_NOT_ALLOWED, &json!({})),
            _ => plain(StatusCode::NOT_FOUND, &json!({})),
        }
    }

    async fn next(&self) -> Answer {
        let waiting = {
            let mut state = self.state();
            if state.init_error.is_some() {
                return out_of_turn();
            }
            if let (Some(event), Some(_)) = (&state.current, &state.answer) {
                return delivery(event.clone());
            }
            let (sender, waiting) = oneshot::channel();
            state.waiting = Some(sender);
            self.signal(Signal::STOP);
            self.progress.send_replace(Progress::Waiting);
            waiting
        };
        match waiting.await {
            Ok(event) => delivery(event),
            // The same process asked a second time: the first request is not listened to any more.
            Err(_) => out_of_turn(),
        }
    }

    async fn response(&self, id: &str, body: Incoming) -> Answer {
        let ends = match self.current(id) {
            Ok(ends) => ends,
            Err(refused) => return refused.into(),
        };
        let body = body.collect().await.map(Collected::to_bytes);
        let (ended, answer) = match body {
            Ok(body) if body.len() > LARGEST_ANSWER => {
                let (size, limit) = (body.len(), LARGEST_ANSWER);
                let ended = Invoked::Error {
                    kind: "Function.ResponseSizeTooLarge".into(),
                    message: format!(
                        "Response payload size ({size} bytes) exceeded maximum allowed payload size ({limit} bytes)."
                    ),
                };
                let told = format!("Exceeded maximum allowed payload size ({limit} bytes).");
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                (ended, refusal(status, "RequestEntityTooLarge", &told))
            }
            Ok(body) => (
                Invoked::Answer(String::from_utf8_lossy(&body).into_owned()),
                accepted(),
            ),
            Err(error) => {
                let ended = Invoked::Error {
                    kind: "Runtime.TruncatedResponse".into(),
                    message: error.to_string(),
                };
                (
                    ended,
                    refusal(StatusCode::BAD_REQUEST, "TruncatedHTTPRequest", ""),
                )
            }
        };
        self.end(ends, ended);
        answer
    }

    async fn error(&self, id: &str, kind: String, body: Incoming) -> Answer {
        match self.current(id) {
            Ok(ends) => {
                self.end(ends, function_error(kind, body).await);
                accepted()
            }
            Err(refused) => refused.into(),
        }
    }

    /// Where the end of the current invocation is awaited, if it is the one meant and nobody has ended it before.
    fn current(&self, id: &str) -> Result<oneshot::Sender<Invoked>, Refused> {
        let mut state = self.state();
        let meant = |event: &Event| event.request_id == id;
        if !state.current.as_ref().is_some_and(meant) {
            return Err(Refused::AnotherRequest);
        }
        state.answer.take().ok_or(Refused::OutOfTurn)
    }

    fn end(&self, ends: oneshot::Sender<Invoked>, ended: Invoked) {
        self.progress.send_replace(Progress::Answered);
        // Whoever invoked may have given up.
        let _ = ends.send(ended);
    }

    fn init_failed(&self, error: Invoked) -> Answer {
        let mut state = self.state();
        if *self.progress.borrow() != Progress::Initialising {
            return out_of_turn();
        }
        state.init_error = Some(error);
        self.progress.send_replace(Progress::InitFailed);
        accepted()
    }
}

/// Why an answer is not taken.
enum Refused {
    AnotherRequest,
    OutOfTurn,
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::AnotherRequest => refusal(
                StatusCode::BAD_REQUEST,
                "InvalidRequestID",
                "Invalid request ID",
            ),
            Refused::OutOfTurn => out_of_turn(),
        }
    }
}

async fn function_error(kind: String, body: Incoming) -> Invoked {
    let bytes = body
        .collect()
        .await
        .map(Collected::to_bytes)
        .unwrap_or_default();
    let told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    Invoked::Error {
        kind,
        message: told["errorMessage"].as_str().unwrap_or_default().to_owned(),
    }
}

fn delivery(event: Event) -> Answer {
    let trace = format!(
        "Root=1-{:08x}-{:024x};Parent={:016x};Sampled=0",
        event.deadline / 1000,
        fastrand::u128(..) >> 32,
        fastrand::u64(..)
    );
    let headers = [
        ("lambda-runtime-aws-request-id", event.request_id),
        ("lambda-runtime-deadline-ms", event.deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", event.function_arn),
        ("lambda-runtime-trace-id", trace),
    ];
    let mut answer = Response::new(Full::new(event.payload));
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            answer
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    answer
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn accepted() -> Answer {
    plain(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn out_of_turn() -> Answer {
    refusal(
        StatusCode::FORBIDDEN,
        "InvalidStateTransition",
        "It is not the time for this request",
    )
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Answer {
    plain(
        status,
        &json!({ "errorMessage": message, "errorType": kind }),
    )
}

fn plain(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}
