//! The table in memory keeps every promise of a store, and the suite notices a store that does not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use dashpot::{CommitError, Item, Key, Page, Query, Store, StoreError, Write};
use dashpot_testing::{MemoryStore, conformance};

fn table() -> MemoryStore {
    MemoryStore::with_indexes([conformance::index()])
}

#[tokio::test]
async fn the_table_in_memory_keeps_every_promise() {
    conformance::check(&table()).await.unwrap();
    conformance::check_scan(&table()).await.unwrap();
}

/// A table that does the writes of a transaction one after the other.
struct OneByOne(MemoryStore);

impl Store for OneByOne {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        for write in writes {
            self.0.commit(std::slice::from_ref(write)).await?;
        }
        Ok(())
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        self.0.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.query(query).await
    }
}

#[tokio::test]
async fn a_store_that_does_half_a_transaction_is_found_out() {
    let broken = conformance::check(&OneByOne(table())).await.unwrap_err();
    let promises: Vec<&str> = broken.promises().collect();
    for promise in [
        "one_refusal_undoes_everything",
        "a_row_named_twice_is_invalid",
        "what_is_invalid_changes_nothing",
    ] {
        assert!(promises.contains(&promise), "{broken}");
    }
}
