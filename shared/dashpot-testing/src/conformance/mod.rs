//! What every [`Store`] promises: one suite for the table in memory, for DynamoDB, for a store of one's own.
//!
//! - `conditions`: when a write happens
//! - `writes`: what a write does
//! - `transactions`: all or nothing
//! - `limits`: what is refused for ever
//! - `reads`: what comes back, and in which order

mod conditions;
mod limits;
mod reads;
mod transactions;
mod writes;

use std::fmt;

use dashpot::{CommitError, Item, Key, Row, Scan, Store, Write};

use crate::store::Index;

/// The index that a store under test has: name and partition key `pending`, a text; sort key `due`, a number.
#[must_use]
pub fn index() -> Index {
    Index::by_number(INDEX, INDEX, DUE)
}

const INDEX: &str = "pending";
const DUE: &str = "due";

/// Promises that a store does not keep.
#[derive(Debug, thiserror::Error)]
pub struct Broken(Vec<(&'static str, String)>);

impl Broken {
    /// The promises, by name.
    pub fn promises(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(promise, _)| *promise)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} promises are broken", self.0.len())?;
        for (promise, surprise) in &self.0 {
            write!(f, "\n- {}: {surprise}", promise.replace('_', " "))?;
        }
        Ok(())
    }
}

/// What was seen instead.
type Kept = Result<(), String>;

/// Fails a promise with what was seen unless this is true.
macro_rules! hold {
    ($true:expr, $($seen:tt)+) => {
        if !$true {
            return Err(format!($($seen)+));
        }
    };
}
use hold;

macro_rules! check_each {
    ($store:expr, $broken:expr; $($module:ident { $($promise:ident),+ $(,)? })+) => {
        $($(
            if let Err(surprise) = $module::$promise($store).await {
                $broken.push((stringify!($promise), surprise));
            }
        )+)+
    };
}

/// Checks every promise of a store that is empty, and has the [`index`].
///
/// ```
/// use dashpot_testing::{MemoryStore, conformance};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conformance::Broken> {
/// let store = MemoryStore::with_indexes([conformance::index()]);
/// conformance::check(&store).await
/// # }
/// ```
///
/// # Errors
/// [`Broken`] names the promises that it does not keep.
pub async fn check<S: Store>(store: &S) -> Result<(), Broken> {
    let mut broken = Vec::new();
    check_each!(store, broken;
        conditions {
            a_condition_holds_where_it_says_alone,
            a_condition_holds_where_it_says_in_a_transaction,
            a_refused_write_tells_the_row_as_it_stands,
            a_refused_write_changes_nothing,
        }
        writes {
            a_put_replaces_the_whole_row,
            a_row_comes_back_as_it_went_with_its_key,
            an_update_creates_a_row_that_is_absent,
            an_update_leaves_the_rest_of_the_row,
            an_addition_to_nothing_starts_from_zero,
            a_deletion_of_nothing_is_done,
            a_check_changes_nothing,
        }
        transactions {
            one_refusal_undoes_everything,
            every_refusal_is_told_in_the_order_of_the_writes,
            writes_of_every_kind_are_one_transaction,
            nothing_is_committed_at_once,
            a_hundred_rows_are_one_transaction,
            of_many_who_create_one_succeeds,
            concurrent_additions_are_all_counted,
        }
        limits {
            a_row_named_twice_is_invalid,
            more_than_a_hundred_rows_are_invalid,
            an_empty_key_is_invalid,
            a_key_that_is_too_long_is_invalid,
            a_row_above_400_kilobytes_is_invalid,
            a_transaction_above_4_megabytes_is_invalid,
            an_update_of_nothing_is_invalid,
            an_update_of_one_attribute_twice_is_invalid,
            an_update_of_a_key_is_invalid,
            an_addition_to_a_text_is_invalid,
            a_check_without_a_condition_is_invalid,
            an_index_key_of_another_type_is_invalid,
            what_is_invalid_changes_nothing,
        }
        reads {
            rows_come_in_the_order_of_the_keys_also_repeated_and_missing_ones,
            no_keys_are_no_rows,
            more_than_a_hundred_rows_are_read_at_once,
            what_was_written_is_read_at_once,
            a_partition_is_read_in_the_order_of_the_sort_key,
            pages_tell_every_row_once,
            a_page_holds_no_more_than_a_megabyte,
            a_partition_without_rows_is_an_empty_page,
            an_index_has_the_rows_that_have_its_keys,
            an_index_is_read_in_the_order_of_its_sort_key_up_to_a_bound,
            pages_of_an_index_tell_every_row_once,
            an_index_that_does_not_exist_is_an_error,
        }
    );
    kept(broken)
}

/// Checks the promise of a store that can also be read as a whole.
///
/// # Errors
/// [`Broken`] when it does not keep it.
pub async fn check_scan<S: Store + Scan>(store: &S) -> Result<(), Broken> {
    let mut broken = Vec::new();
    check_each!(store, broken; reads { parts_of_a_table_tell_every_row_once });
    kept(broken)
}

fn kept(broken: Vec<(&'static str, String)>) -> Result<(), Broken> {
    if broken.is_empty() {
        Ok(())
    } else {
        Err(Broken(broken))
    }
}

/// Commits what must be possible.
async fn commit<S: Store>(store: &S, writes: &[Write]) -> Kept {
    let committed = store.commit(writes).await;
    committed.map_err(|error| format!("{writes:?}: {error:?}"))
}

async fn put<S: Store>(store: &S, row: &Row) -> Kept {
    commit(store, &[Write::put(row.clone())]).await
}

/// The row at a key.
async fn row<S: Store>(store: &S, key: &Key) -> Result<Option<Item>, String> {
    let rows = store.get(std::slice::from_ref(key)).await;
    let rows = rows.map_err(|error| error.to_string())?;
    rows.into_iter()
        .next()
        .ok_or_else(|| "no answer about a key".into())
}

/// The row as a store tells it.
fn item(row: &Row) -> Item {
    let mut item = row.attributes.clone();
    item.insert("pk".into(), row.key.pk.as_str().into());
    item.insert("sk".into(), row.key.sk.as_str().into());
    item
}

/// A commit that is invalid, and must be told so.
async fn invalid<S: Store>(store: &S, writes: &[Write]) -> Kept {
    match store.commit(writes).await {
        Err(CommitError::Invalid(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}
