//! Where invoices are kept: each put once, and never changed.

use std::future::Future;

use dashpot::day;
use shop_events::WriteInvoice;

/// Keeps documents.
pub trait Cabinet: Send + Sync {
    /// Puts a document where none is.
    ///
    /// # Errors
    /// [`NotKept`] when it is not certain that one lies there.
    fn put_new(
        &self,
        key: &str,
        document: Vec<u8>,
    ) -> impl Future<Output = Result<Kept, NotKept>> + Send;
}

/// A document lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Since now.
    Now,
    /// Since before, and it was left alone.
    Before,
}

/// Whether a document lies there is not known. Never a matter of what is in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the cabinet does not take a document: {0}")]
pub struct NotKept(pub String);

/// Where the invoice of a job lies: `invoices/{yyyy}/{order}.pdf`.
#[must_use]
pub fn key(job: &WriteInvoice) -> String {
    let year = &day(job.captured_at)[..4];
    format!("invoices/{year}/{}.pdf", job.order_id)
}
