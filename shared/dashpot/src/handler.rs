//! What a service writes: a decision about one event.

use std::future::Future;

use crate::context::Context;
use crate::effects::Effects;
use crate::failure::Failure;

/// Decides what one event means.
///
/// With `Output = ()` it acts by itself and needs no store; with `Output = Effects` it returns what is to be
/// done, and a store commits it together with the proof that the event was handled.
pub trait Handler<E>: Send + Sync {
    /// `()` or [`Effects`].
    type Output: Into<Effects> + Send;

    /// Handles one event. It may be cancelled at any await, when the invocation's time is up.
    ///
    /// # Errors
    /// A [`Failure`] says what becomes of the message; a bare `?` means another try.
    fn handle(
        &self,
        event: E,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// A handler from a function that takes the event and needs no context.
///
/// ```
/// # use dashpot::{Consumer, Failure, Json, from_fn};
/// async fn resize(Json(picture): Json<String>) -> Result<(), Failure> { Ok(()) }
/// let consumer = Consumer::<_, Json<String>>::new("thumbnails", from_fn(resize));
/// ```
pub fn from_fn<F>(function: F) -> FromFn<F> {
    FromFn(function)
}

/// See [`from_fn`].
#[derive(Debug, Clone)]
pub struct FromFn<F>(F);

impl<E, F, Fut, O> Handler<E> for FromFn<F>
where
    E: Send,
    F: Fn(E) -> Fut + Send + Sync,
    Fut: Future<Output = Result<O, Failure>> + Send,
    O: Into<Effects> + Send,
{
    type Output = O;

    fn handle(&self, event: E, _: &Context) -> impl Future<Output = Result<O, Failure>> + Send {
        (self.0)(event)
    }
}
