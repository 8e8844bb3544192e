//! The port to whoever carries letters.

use std::future::Future;

use crate::letter::Letter;

/// What lies beneath a failure.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Sends letters.
pub trait Mailer: Send + Sync {
    /// Sends one letter. It takes no key, so a repeat is a second letter.
    ///
    /// # Errors
    /// [`MailError`] says whether another try can help.
    fn send(&self, letter: &Letter) -> impl Future<Output = Result<(), MailError>> + Send;
}

/// Why a letter was not sent, or is not known to have been. Says nothing about whose letter it was.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// This letter will never be taken: its address or its content is refused. With the carrier's word for it.
    #[error("the letter is refused: {0}")]
    Refused(&'static str),
    /// No letter is taken just now: too many, or the account may not send until a person has seen to it. With the
    /// carrier's word for it.
    #[error("no letters are taken just now: {0}")]
    NotNow(&'static str),
    /// No answer that says anything: it may have been sent.
    #[error("whether the letter was sent is unknown")]
    Unknown(#[source] Cause),
}
