use dashpot::{CommitError, Item, Key, Page, Query, Store, StoreError, Write};

use super::faults::{Fault, Faults, arrive};

/// A store, as one process reaches it: see [`Faults::store`].
#[derive(Debug, Clone)]
pub struct FaultyStore<S> {
    store: S,
    faults: Faults,
}

impl<S> FaultyStore<S> {
    pub(super) fn new(store: S, faults: Faults) -> Self {
        Self { store, faults }
    }
}

impl<S: Store + Clone + 'static> Store for FaultyStore<S> {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        let act = |late| async move {
            let Some(late) = late else {
                return self.store.commit(writes).await;
            };
            let (store, writes) = (self.store.clone(), writes.to_vec());
            arrive(late, async move { store.commit(&writes).await }).await
        };
        self.faults
            .around("store.commit", act, |fault| Err(commit_error(fault)))
            .await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let act = |late| async move {
            let Some(late) = late else {
                return self.store.get(keys).await;
            };
            let (store, keys) = (self.store.clone(), keys.to_vec());
            arrive(late, async move { store.get(&keys).await }).await
        };
        self.faults
            .around("store.get", act, |fault| Err(read_error(fault)))
            .await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let act = |late| async move {
            let Some(late) = late else {
                return self.store.query(query).await;
            };
            let (store, query) = (self.store.clone(), query.clone());
            arrive(late, async move { store.query(&query).await }).await
        };
        self.faults
            .around("store.query", act, |fault| Err(read_error(fault)))
            .await
    }
}

/// In the words of `DynamoStore`, which cannot tell either whether a request arrived that got no answer.
fn commit_error(fault: Fault) -> CommitError {
    match fault {
        Fault::Throttle => CommitError::Throttled,
        Fault::Conflict => CommitError::Conflict,
        fault => CommitError::Unknown(fault.to_string()),
    }
}

fn read_error(fault: Fault) -> StoreError {
    StoreError(fault.to_string())
}
