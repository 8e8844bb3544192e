//! A table in memory, by DynamoDB's documented rules.

mod index;
mod limits;
mod table;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashpot::{
    Clock, CommitError, Item, Key, Page, Part, Query, Scan, Store, StoreError, Value, Write,
};

pub use self::index::Index;
pub(crate) use self::table::Changed;
use self::table::Table;
use crate::stream::TableStream;

/// A table in memory, as strict as DynamoDB about what a transaction may contain.
///
/// ```
/// use dashpot::{CommitError, Key, Row, Store, Write};
/// use dashpot_testing::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), CommitError> {
/// let store = MemoryStore::new();
/// let row = Row::new(Key::new("stock#chair")).set("available", 5_i64);
/// store.commit(&[Write::create(row.clone())]).await?;
///
/// let Err(CommitError::Refused(refusals)) = store.commit(&[Write::create(row)]).await else {
///     panic!("there is such a row");
/// };
/// assert_eq!(refusals[0].row, store.row(&Key::new("stock#chair")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    settings: TableSettings,
    state: Mutex<State>,
}

/// What a table is created with.
#[derive(Debug, Clone)]
pub struct TableSettings {
    /// Its name, as it stands in the ARN of its stream.
    pub name: String,
    /// Its global secondary indexes.
    pub indexes: Vec<Index>,
    /// How many shards its stream has; 1 by default. Rows of one partition are in one shard.
    pub shards: usize,
    /// What shows the time of day; tokio's clock carries it on.
    pub clock: Clock,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            name: "table".to_owned(),
            indexes: Vec::new(),
            shards: 1,
            clock: Clock::system(),
        }
    }
}

#[derive(Debug)]
struct State {
    table: Table,
    stream: Option<Arc<TableStream>>,
    round_trips: usize,
    failures: VecDeque<(Failing, CommitError)>,
    read_failures: VecDeque<StoreError>,
}

#[derive(Debug, Clone, Copy)]
enum Failing {
    Before,
    After,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::create(TableSettings::default())
    }
}

impl MemoryStore {
    /// An empty table without an index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty table with these indexes.
    #[must_use]
    pub fn with_indexes(indexes: impl IntoIterator<Item = Index>) -> Self {
        Self::create(TableSettings {
            indexes: indexes.into_iter().collect(),
            ..TableSettings::default()
        })
    }

    /// An empty table.
    #[must_use]
    pub fn create(settings: TableSettings) -> Self {
        let state = State {
            table: Table::new(&settings.indexes),
            stream: None,
            round_trips: 0,
            failures: VecDeque::new(),
            read_failures: VecDeque::new(),
        };
        Self {
            settings,
            state: Mutex::new(state),
        }
    }

    /// The table's stream: what was committed since this was first called, as new images.
    pub fn stream(&self) -> Arc<TableStream> {
        let mut state = self.lock();
        let settings = &self.settings;
        let create = || TableStream::new(&settings.name, settings.shards, settings.clock);
        Arc::clone(state.stream.get_or_insert_with(|| Arc::new(create())))
    }

    /// The row at a key, its key included.
    #[must_use]
    pub fn row(&self, key: &Key) -> Option<Item> {
        self.lock().table.row(key).cloned()
    }

    /// All rows whose partition key starts so.
    #[must_use]
    pub fn rows(&self, prefix: &str) -> Vec<Item> {
        self.lock().table.rows(prefix).cloned().collect()
    }

    /// The types of the events in the outbox, in the order in which they were said.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        let rows = self.outbox().into_iter();
        let events = rows.filter(|row| !row.contains_key("to"));
        events.map(|row| text(&row, "type")).collect()
    }

    /// The commands in the outbox, in the order in which they were sent: the queue and the type.
    #[must_use]
    pub fn commanded(&self) -> Vec<(String, String)> {
        let rows = self.outbox().into_iter();
        let commands = rows.filter(|row| row.contains_key("to"));
        commands
            .map(|row| (text(&row, "to"), text(&row, "type")))
            .collect()
    }

    fn outbox(&self) -> Vec<Item> {
        let mut rows = self.rows("outbox#");
        rows.sort_by_key(|row| text(row, "sk"));
        rows
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

    /// The next read fails. May be called several times for several reads.
    pub fn fail_next_read(&self, error: StoreError) {
        self.lock().read_failures.push_back(error);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a read, unless it is one that fails.
    fn reading(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.lock();
        state.round_trips += 1;
        match state.read_failures.pop_front() {
            Some(error) => Err(error),
            None => Ok(state),
        }
    }
}

impl Store for MemoryStore {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        let mut state = self.lock();
        state.round_trips += 1;
        match state.failures.pop_front() {
            Some((Failing::Before, error)) => Err(error),
            Some((Failing::After, error)) => state.commit(writes).and(Err(error)),
            None => state.commit(writes),
        }
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let state = self.reading()?;
        let row = |key| state.table.row(key).cloned();
        Ok(keys.iter().map(row).collect())
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.reading()?.table.query(query)
    }
}

impl Scan for MemoryStore {
    async fn scan(&self, part: &Part) -> Result<Page, StoreError> {
        self.reading()?.table.scan(part)
    }
}

impl State {
    fn commit(&mut self, writes: &[Write]) -> Result<(), CommitError> {
        let changes = self.table.commit(writes)?;
        if let Some(stream) = &self.stream {
            stream.append(changes);
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
