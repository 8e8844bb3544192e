//! The port to a transactional store.

use std::future::Future;
use std::sync::Arc;

use crate::row::{Item, Key, Write};

/// How many rows one transaction may name:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
pub const MOST_WRITES: usize = 100;

/// A table with conditional transactions over at most 100 rows, each named at most once.
pub trait Store: Send + Sync {
    /// Does all of the writes, or none. A row may be named once only.
    ///
    /// # Errors
    /// [`CommitError`] says what is known: nothing was written, except under [`CommitError::Unknown`].
    fn commit(&self, writes: &[Write]) -> impl Future<Output = Result<(), CommitError>> + Send;

    /// Reads rows, consistently, in the order of the keys.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    fn get(
        &self,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<Option<Item>>, StoreError>> + Send;

    /// Reads rows of one partition, in the order of the sort key.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    fn query(&self, query: &Query) -> impl Future<Output = Result<Page, StoreError>> + Send;
}

impl<S: Store> Store for Arc<S> {
    fn commit(&self, writes: &[Write]) -> impl Future<Output = Result<(), CommitError>> + Send {
        S::commit(self, writes)
    }

    fn get(
        &self,
        keys: &[Key],
    ) -> impl Future<Output = Result<Vec<Option<Item>>, StoreError>> + Send {
        S::get(self, keys)
    }

    fn query(&self, query: &Query) -> impl Future<Output = Result<Page, StoreError>> + Send {
        S::query(self, query)
    }
}

/// The store of a consumer that has none. There is no value of it.
#[derive(Debug, Clone, Copy)]
pub enum NoStore {}

impl Store for NoStore {
    async fn commit(&self, _: &[Write]) -> Result<(), CommitError> {
        match *self {}
    }

    async fn get(&self, _: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        match *self {}
    }

    async fn query(&self, _: &Query) -> Result<Page, StoreError> {
        match *self {}
    }
}

/// Which rows of a partition to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The index, or none for the table itself, which is read consistently.
    pub index: Option<&'static str>,
    /// The name of the partition key there, and its value.
    pub partition: (&'static str, String),
    /// The name of a numeric sort key and the greatest value to read, or everything.
    pub up_to: Option<(&'static str, i64)>,
    /// At most so many rows, or as many as a page holds (1 MiB).
    pub limit: Option<u32>,
    /// Where the previous page ended.
    pub after: Option<Item>,
}

impl Query {
    /// All rows of a partition of the table.
    pub fn partition(pk: impl Into<String>) -> Self {
        Self {
            index: None,
            partition: ("pk", pk.into()),
            up_to: None,
            limit: None,
            after: None,
        }
    }

    /// All rows of a partition of an index, whose name and value are given.
    #[must_use]
    pub fn index(index: &'static str, partition: (&'static str, String)) -> Self {
        Self {
            index: Some(index),
            partition,
            ..Self::partition("")
        }
    }

    /// All that it asks for, page after page. Who may meet more than memory holds asks for pages.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn all<S: Store>(mut self, store: &S) -> Result<Vec<Item>, StoreError> {
        let mut rows = Vec::new();
        loop {
            let page = store.query(&self).await?;
            rows.extend(page.items);
            self.after = page.next;
            if self.after.is_none() {
                return Ok(rows);
            }
        }
    }
}

/// A table that can be read as a whole, by parts that are read side by side: for tools. Functions look for what they
/// need by its key, and have no permission for this.
pub trait Scan: Send + Sync {
    /// Reads rows of one part, in an order of the table's own. Each row is in exactly one part.
    ///
    /// # Errors
    /// [`StoreError`] when the table does not answer.
    fn scan(&self, part: &Part) -> impl Future<Output = Result<Page, StoreError>> + Send;
}

impl<S: Scan> Scan for Arc<S> {
    fn scan(&self, part: &Part) -> impl Future<Output = Result<Page, StoreError>> + Send {
        S::scan(self, part)
    }
}

/// Which part of a table to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Which, below [`of`](Self::of).
    pub number: u32,
    /// Of how many.
    pub of: u32,
    /// At most so many rows, or as many as a page holds (1 MiB).
    pub limit: Option<u32>,
    /// Where the previous page ended.
    pub after: Option<Item>,
}

/// Rows, and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub items: Vec<Item>,
    /// Give it to the next [`Query::after`] or [`Part::after`]; none when this was the last page.
    pub next: Option<Item>,
}

/// The store did not answer, or said no.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

/// Why a transaction was not committed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Conditions did not hold.
    #[error("{} of the conditions did not hold", .0.len())]
    Refused(Vec<Refusal>),
    /// Another transaction was at the same rows. Worth another try at once.
    #[error("another transaction was at the same rows")]
    Conflict,
    /// Too much for the store just now. Worth another try soon.
    #[error("the store is throttling")]
    Throttled,
    /// The transaction can never be committed: too large, a key that is too long, a row named twice.
    #[error("the store cannot take this transaction: {0}")]
    Invalid(String),
    /// No answer: it may have happened.
    #[error("the store did not answer: {0}")]
    Unknown(String),
}

/// A write whose condition did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its position among the writes.
    pub index: usize,
    /// Which row.
    pub key: Key,
    /// The row as it stands; none if there is none.
    pub row: Option<Item>,
}
