use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dashpot::{
    Change, CommitError, Condition, Item, Key, Page, Query, Refusal, Store, StoreError, Value,
    Write,
};

/// A table in memory, as strict as DynamoDB about what a transaction may contain.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Key, Item>,
    round_trips: usize,
    failures: VecDeque<(Failing, CommitError)>,
}

#[derive(Debug, Clone, Copy)]
enum Failing {
    Before,
    After,
}

impl MemoryStore {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The row at a key, its key included.
    #[must_use]
    pub fn row(&self, key: &Key) -> Option<Item> {
        self.lock().rows.get(key).cloned()
    }

    /// All rows whose partition key starts so.
    #[must_use]
    pub fn rows(&self, prefix: &str) -> Vec<Item> {
        let state = self.lock();
        let starts = |key: &Key| key.pk.starts_with(prefix);
        state
            .rows
            .iter()
            .filter(|(key, _)| starts(key))
            .map(|(_, row)| row.clone())
            .collect()
    }

    /// The types of the events in the outbox, in the order in which they were said.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        let mut rows = self.rows("outbox#");
        rows.sort_by_key(|row| text(row, "sk"));
        rows.iter().map(|row| text(row, "type")).collect()
    }

    /// How often it was asked or told something.
    #[must_use]
    pub fn round_trips(&self) -> usize {
        self.lock().round_trips
    }

    /// The next commit fails so, and does nothing. May be called several times for several commits.
    pub fn fail_next(&self, error: CommitError) {
        self.lock().failures.push_back((Failing::Before, error));
    }

    /// The next commit happens, and its answer is lost.
    pub fn lose_next_answer(&self) {
        let lost = CommitError::Unknown("the answer was lost".into());
        self.lock().failures.push_back((Failing::After, lost));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        let mut state = self.lock();
        state.round_trips += 1;
        match state.failures.pop_front() {
            Some((Failing::Before, error)) => Err(error),
            Some((Failing::After, error)) => state.apply(writes).and(Err(error)),
            None => state.apply(writes),
        }
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let mut state = self.lock();
        state.round_trips += 1;
        Ok(keys
            .iter()
            .map(|key| state.rows.get(key).cloned())
            .collect())
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let mut state = self.lock();
        state.round_trips += 1;
        let (partition, value) = &query.partition;
        let mut items: Vec<Item> = state
            .rows
            .values()
            .filter(|row| row.get(*partition).and_then(Value::as_str) == Some(value))
            .filter(|row| match query.up_to {
                None => true,
                Some((name, bound)) => row
                    .get(name)
                    .and_then(Value::as_i64)
                    .is_some_and(|number| number <= bound),
            })
            .cloned()
            .collect();
        if let Some((name, _)) = query.up_to {
            items.sort_by_key(|row| row.get(name).and_then(Value::as_i64));
        }
        let start = match &query.after {
            None => 0,
            Some(last) => items
                .iter()
                .position(|row| row == last)
                .map_or(0, |at| at + 1),
        };
        let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
        let page: Vec<Item> = items.iter().skip(start).take(limit).cloned().collect();
        let more = start + page.len() < items.len();
        Ok(Page {
            next: page.last().filter(|_| more).cloned(),
            items: page,
        })
    }
}

impl State {
    fn apply(&mut self, writes: &[Write]) -> Result<(), CommitError> {
        let keys: BTreeSet<&Key> = writes.iter().map(Write::key).collect();
        if keys.len() < writes.len() {
            return Err(CommitError::Invalid("a row is named twice".into()));
        }
        if writes.len() > 100 {
            return Err(CommitError::Invalid("more than 100 rows".into()));
        }
        if keys
            .iter()
            .any(|key| key.pk.is_empty() || key.sk.is_empty())
        {
            return Err(CommitError::Invalid("a key is empty".into()));
        }
        if keys
            .iter()
            .any(|key| key.pk.len() > 2048 || key.sk.len() > 1024)
        {
            return Err(CommitError::Invalid("a key is too long".into()));
        }
        let refusals: Vec<Refusal> = writes
            .iter()
            .enumerate()
            .filter_map(|(index, write)| {
                let row = self.rows.get(write.key());
                (!write.condition().holds(row)).then(|| Refusal {
                    index,
                    key: write.key().clone(),
                    row: row.cloned(),
                })
            })
            .collect();
        if !refusals.is_empty() {
            return Err(CommitError::Refused(refusals));
        }
        for write in writes {
            self.write(write)?;
        }
        Ok(())
    }

    fn write(&mut self, write: &Write) -> Result<(), CommitError> {
        let with_key = |mut item: Item, key: &Key| {
            item.insert("pk".into(), key.pk.as_str().into());
            item.insert("sk".into(), key.sk.as_str().into());
            item
        };
        match write {
            Write::Put { row, .. } => {
                self.rows
                    .insert(row.key.clone(), with_key(row.attributes.clone(), &row.key));
            }
            Write::Update { key, changes, .. } => {
                if changes.is_empty() {
                    return Err(CommitError::Invalid("an update changes nothing".into()));
                }
                let row = self
                    .rows
                    .entry(key.clone())
                    .or_insert_with(|| with_key(Item::new(), key));
                for change in changes {
                    match change {
                        Change::Set(name, value) => {
                            row.insert(name.clone(), value.clone());
                        }
                        Change::Add(name, amount) => {
                            let before = row.get(name).and_then(Value::as_i64).unwrap_or_default();
                            row.insert(name.clone(), Value::N(before + amount));
                        }
                        Change::Remove(name) => {
                            row.remove(name);
                        }
                    }
                }
            }
            Write::Delete { key, .. } => {
                self.rows.remove(key);
            }
            Write::Check {
                when: Condition::Always,
                ..
            } => {
                return Err(CommitError::Invalid("a check without a condition".into()));
            }
            Write::Check { .. } => {}
        }
        Ok(())
    }
}

fn text(row: &Item, name: &str) -> String {
    row.get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
