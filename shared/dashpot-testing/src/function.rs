//! What a mapping invokes, and Lambda's rules around it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dashpot::{
    BatchConsumer, BatchHandler, BatchResponse, Clock, Consumer, FromMessage, InvalidEvent,
    Invocation, Mode, Queue, Store,
};
use tokio::time::{Instant, timeout_at};

/// The largest event, and the largest answer, of a synchronous invocation, in bytes: 6 MB.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const LARGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// One execution environment of a function: what a process is to Lambda.
///
/// A [`Consumer`] is one, a [`BatchConsumer`] as well, and [`function`] makes one of a closure. A real binary behind the Runtime API is one as well.
pub trait Function: Send + Sync {
    /// Handles one event, and answers in JSON.
    ///
    /// # Errors
    /// [`FunctionError`] where there is no answer.
    fn invoke(
        &self,
        event: &str,
        invocation: &Invocation,
    ) -> impl Future<Output = Result<String, FunctionError>> + Send;
}

/// Why an invocation has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// The function says that it failed. Its process goes on to the next invocation.
    #[error("the function failed: {0}")]
    Failed(String),
    /// The process ended without a word; the next invocation gets a new one.
    #[error("the process ended: {0}")]
    Exited(String),
    /// The function's time was over, and Lambda ended the process.
    #[error("the function did not answer in time")]
    TimedOut,
    /// The event is larger than [`LARGEST_PAYLOAD`]: the function was not invoked.
    #[error("the event has {0} bytes")]
    EventTooLarge(usize),
    /// The answer is larger than [`LARGEST_PAYLOAD`].
    #[error("the answer has {0} bytes")]
    AnswerTooLarge(usize),
}

impl FunctionError {
    /// Whether the next invocation gets a new process.
    #[must_use]
    pub fn ends_the_process(&self) -> bool {
        matches!(self, Self::Exited(_) | Self::TimedOut)
    }
}

impl<F: Function> Function for &F {
    fn invoke(
        &self,
        event: &str,
        invocation: &Invocation,
    ) -> impl Future<Output = Result<String, FunctionError>> + Send {
        F::invoke(self, event, invocation)
    }
}

impl<F: Function> Function for Arc<F> {
    fn invoke(
        &self,
        event: &str,
        invocation: &Invocation,
    ) -> impl Future<Output = Result<String, FunctionError>> + Send {
        F::invoke(self, event, invocation)
    }
}

impl<H, E, Q, M> Function for Consumer<H, E, Q, M>
where
    H: Send + Sync,
    E: FromMessage,
    Q: Queue,
    M: Mode<H, E>,
{
    async fn invoke(&self, event: &str, invocation: &Invocation) -> Result<String, FunctionError> {
        answer(self.handle_batch(event, invocation).await)
    }
}

impl<H, E, S, Q> Function for BatchConsumer<H, E, S, Q>
where
    H: BatchHandler<E>,
    E: FromMessage + Sync,
    S: Store,
    Q: Queue,
{
    async fn invoke(&self, event: &str, invocation: &Invocation) -> Result<String, FunctionError> {
        answer(self.handle_batch(event, invocation).await)
    }
}

fn answer(response: Result<BatchResponse, InvalidEvent>) -> Result<String, FunctionError> {
    let response = response.map_err(|error| FunctionError::Failed(error.to_string()))?;
    serde_json::to_string(&response).map_err(|error| FunctionError::Failed(error.to_string()))
}

/// A function made of a closure: see [`function`].
#[derive(Clone, Copy)]
pub struct FromClosure<F>(F);

impl<F> fmt::Debug for FromClosure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromClosure")
    }
}

/// Makes a [`Function`] of a closure from event and invocation to an answer.
///
/// ```
/// use dashpot_testing::{FunctionError, function};
///
/// let echo = function(|event, _invocation| async move { Ok(event) });
/// let fails = function(|_, _| async { Err(FunctionError::Failed("no".into())) });
/// ```
pub fn function<F, A>(f: F) -> FromClosure<F>
where
    F: Fn(String, Invocation) -> A + Send + Sync,
    A: Future<Output = Result<String, FunctionError>> + Send,
{
    FromClosure(f)
}

impl<F, A> Function for FromClosure<F>
where
    F: Fn(String, Invocation) -> A + Send + Sync,
    A: Future<Output = Result<String, FunctionError>> + Send,
{
    fn invoke(
        &self,
        event: &str,
        invocation: &Invocation,
    ) -> impl Future<Output = Result<String, FunctionError>> + Send {
        (self.0)(event.to_owned(), invocation.clone())
    }
}

/// Invokes a function as Lambda does: within its time-out, and within the limits of [`LARGEST_PAYLOAD`].
///
/// At the end of its time the function is dropped where it stands, as Lambda ends the process
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>).
///
/// # Errors
/// [`FunctionError`] where there is no answer.
pub async fn invoke<F: Function>(
    function: &F,
    event: &str,
    request_id: String,
    timeout: Duration,
    clock: Clock,
) -> Result<String, FunctionError> {
    if event.len() > LARGEST_PAYLOAD {
        return Err(FunctionError::EventTooLarge(event.len()));
    }
    let invocation = Invocation {
        request_id,
        deadline: Instant::now() + timeout,
        clock,
    };
    let answer = timeout_at(invocation.deadline, function.invoke(event, &invocation))
        .await
        .map_err(|_| FunctionError::TimedOut)??;
    if answer.len() > LARGEST_PAYLOAD {
        return Err(FunctionError::AnswerTooLarge(answer.len()));
    }
    Ok(answer)
}
