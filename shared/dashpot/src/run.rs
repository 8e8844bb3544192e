//! The Lambda runtime around a function.

use std::any::type_name;
use std::cell::Cell;
use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, SystemTime};

use lambda_runtime::tower::util::MapRequestLayer;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, LambdaInvocation, Runtime, service_fn};
use serde::Serialize;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use crate::batch_consumer::BatchConsumer;
use crate::batch_handler::BatchHandler;
use crate::clock::Clock;
use crate::consumer::Consumer;
use crate::decode::FromMessage;
use crate::invocation::{BatchResponse, InvalidEvent, Invocation};
use crate::mode::Mode;
use crate::queue::Queue;
use crate::store::Store;

/// What takes the batches of one queue: a [`Consumer`] or a [`BatchConsumer`].
pub trait Consumes: Send + Sync {
    /// Handles the payload of one invocation.
    ///
    /// # Errors
    /// [`InvalidEvent`] when the payload is no SQS event; then nothing of it must be deleted.
    fn handle_batch(
        &self,
        payload: &str,
        invocation: &Invocation,
    ) -> impl Future<Output = Result<BatchResponse, InvalidEvent>> + Send;
}

impl<H, E, Q, M> Consumes for Consumer<H, E, Q, M>
where
    H: Send + Sync,
    E: FromMessage,
    Q: Queue,
    M: Mode<H, E>,
{
    fn handle_batch(
        &self,
        payload: &str,
        invocation: &Invocation,
    ) -> impl Future<Output = Result<BatchResponse, InvalidEvent>> + Send {
        self.handle_batch(payload, invocation)
    }
}

impl<H, E, S, Q> Consumes for BatchConsumer<H, E, S, Q>
where
    H: BatchHandler<E>,
    E: FromMessage + Sync,
    S: Store,
    Q: Queue,
{
    fn handle_batch(
        &self,
        payload: &str,
        invocation: &Invocation,
    ) -> impl Future<Output = Result<BatchResponse, InvalidEvent>> + Send {
        self.handle_batch(payload, invocation)
    }
}

/// Polls the Lambda Runtime API and hands every batch to the consumer, until the process ends.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run(consumer: impl Consumes) -> Result<(), lambda_runtime::Error> {
    serve(async |event: &str, invocation: &Invocation| {
        let answer = consumer.handle_batch(event, invocation).await;
        answer.inspect_err(|error| eprintln!("{error}"))
    })
    .await
}

/// Polls the Lambda Runtime API and answers every event, until the process ends: what [`run`] does for a consumer, for
/// any other function.
///
/// The function takes the event as the JSON text that it is, and reads it itself, once. An error, or a panic, is the answer
/// to that event alone.
///
/// ```no_run
/// # use dashpot::Invocation;
/// # use serde_json::{Error, json};
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), lambda_runtime::Error> {
///     dashpot::serve(async |event: &str, _: &Invocation| {
///         let name: String = serde_json::from_str(event)?;
///         Ok::<_, Error>(json!({ "greeting": format!("Hello, {name}") }))
///     })
///     .await
/// }
/// ```
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn serve<A, E>(
    function: impl AsyncFn(&str, &Invocation) -> Result<A, E>,
) -> Result<(), lambda_runtime::Error>
where
    A: Serialize,
    E: Display,
{
    // `Runtime` reads an event before the handler is called, through `serde_path_to_error`: for a batch that costs as
    // much as all of our own reading. So the text goes past it, and what it reads is a `null`.
    let passed = Cell::default();
    let pass = |mut invocation: LambdaInvocation| {
        let null = b"null".as_slice().into();
        passed.set(std::mem::replace(&mut invocation.body, null));
        invocation
    };
    let answer = service_fn(|event: LambdaEvent<IgnoredAny>| {
        let text = passed.take();
        let invocation = Invocation::from(&event.context);
        let function = &function;
        async move {
            let text = std::str::from_utf8(&text).map_err(|error| diagnostic(&error))?;
            // On the heap: within the runtime's own futures it would lie too deep for the compiler to lay out.
            let answer = Box::pin(function(text, &invocation)).await;
            answer.map_err(|error| diagnostic(&error))
        }
    });
    Runtime::new(answer)
        .layer(MapRequestLayer::new(pass))
        .run()
        .await
}

fn diagnostic<E: Display>(error: &E) -> Diagnostic {
    Diagnostic {
        error_type: type_name::<E>().to_owned(),
        error_message: error.to_string(),
    }
}

impl From<&Context> for Invocation {
    fn from(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now());
        Self {
            request_id: context.request_id.clone(),
            deadline: Instant::now() + left.unwrap_or(Duration::ZERO),
            clock: Clock::system(),
        }
    }
}
