//! How a handler says that it could not: a disposition and the error behind it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

type BoxError = Box<dyn Error + Send + Sync>;

/// What should become of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Another try may help: backoff with jitter. What a bare `?` means.
    Retry,
    /// Another try may help, and no sooner than this.
    RetryAfter(Duration),
    /// No try will ever help: to the dead-letter queue now.
    Permanent,
}

/// Why a message was not handled, and what should become of it.
///
/// It is not itself an [`Error`], so that every error turns into it by `?`:
///
/// ```
/// use dashpot::{Failure, FailureExt};
///
/// fn quantity(text: &str) -> Result<u32, Failure> {
///     Ok(text.parse().permanent()?) // the text will never be a number
/// }
/// fn read() -> Result<String, Failure> {
///     Ok(std::fs::read_to_string("/nowhere")?) // bare: worth another try
/// }
/// assert_eq!(quantity("x").unwrap_err().disposition(), dashpot::Disposition::Permanent);
/// assert_eq!(read().unwrap_err().disposition(), dashpot::Disposition::Retry);
/// ```
pub struct Failure {
    disposition: Disposition,
    source: BoxError,
}

impl Failure {
    /// Another try may help.
    pub fn retry(source: impl Into<BoxError>) -> Self {
        Self::new(Disposition::Retry, source)
    }

    /// Another try may help, and no sooner than this.
    pub fn retry_after(after: Duration, source: impl Into<BoxError>) -> Self {
        Self::new(Disposition::RetryAfter(after), source)
    }

    /// No try will ever help.
    pub fn permanent(source: impl Into<BoxError>) -> Self {
        Self::new(Disposition::Permanent, source)
    }

    /// With any disposition.
    pub fn new(disposition: Disposition, source: impl Into<BoxError>) -> Self {
        Self {
            disposition,
            source: source.into(),
        }
    }

    /// What should become of the message.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        self.disposition
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.disposition)
    }
}

/// The error and its causes, as [`chain`] tells them.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self.source.as_ref()))
    }
}

/// An error and its causes in one line: `outer: inner: innermost`. An SDK's own `Display` says "service error" and
/// no more.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(source: E) -> Self {
        Self::retry(source)
    }
}

/// Says of an error, where it is known best, what should become of the message.
pub trait FailureExt<T, E> {
    /// No try will ever help.
    ///
    /// # Errors
    /// The error, as [`Disposition::Permanent`].
    fn permanent(self) -> Result<T, Failure>;

    /// Another try may help, and no sooner than this.
    ///
    /// # Errors
    /// The error, as [`Disposition::RetryAfter`].
    fn retry_after(self, after: Duration) -> Result<T, Failure>;

    /// Asks `classify`.
    ///
    /// # Errors
    /// The error, with the disposition that `classify` gives it.
    fn classify(self, classify: impl FnOnce(&E) -> Disposition) -> Result<T, Failure>;
}

impl<T, E: Into<BoxError>> FailureExt<T, E> for Result<T, E> {
    fn permanent(self) -> Result<T, Failure> {
        self.map_err(Failure::permanent)
    }

    fn retry_after(self, after: Duration) -> Result<T, Failure> {
        self.map_err(|error| Failure::retry_after(after, error))
    }

    fn classify(self, classify: impl FnOnce(&E) -> Disposition) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(classify(&error), error))
    }
}
