//! All rows anew, out of the journal, while the old ones serve.
//!
//! 1. The pointer names a new generation. From then on live events go into both.
//! 2. The journal is read, by parts side by side, and folded into the new rows. How far each part has come is written
//!    down, so that a rebuild that was killed goes on.
//! 3. Of an event that was handled before 1, by an invocation that had not seen the new pointer, and is filed in the journal
//!    after 2, only the log tells. Once no such invocation can be running any more, the log is folded in.
//! 4. The pointer is moved: the new rows answer. The old ones are given a time to go.
//!
//! Facts are joined, so nothing of this needs to happen once, or in any order.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use dashpot::{
    Clock, CommitError, Condition, Item, Key, Page, Part, Row, Scan, Store, StoreError, Value,
    Write,
};
use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use order_history::{Event, Facts};
use shop_events::OrderId;
use tokio::time::sleep;

use crate::generation::{Generation, Generations, NoPointer};
use crate::log;
use crate::row::{self, Unreadable};

/// In how many parts the journal is read.
pub const PARTS: u32 = 8;

/// How many rows of a part are written at a time.
const AT_ONCE: usize = 8;

/// How often a call is made that comes to nothing because of others, or of the network.
const TRIES: u32 = 8;

/// A rebuild that was begun longer ago, in milliseconds, is not gone on with but begun anew: the log does not reach back
/// far enough.
const RESUMABLE: u64 = 24 * 60 * 60 * 1000;

/// How long rows that serve no more are kept, in seconds.
const RETIRED_SECONDS: u64 = 24 * 60 * 60;

/// Why a rebuild cannot go on. What is done stays done: run again, it goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A table does not answer.
    #[error(transparent)]
    Read(#[from] StoreError),
    /// A row is not written.
    #[error("a row cannot be written")]
    Write(#[source] CommitError),
    /// A row of the journal holds no envelope.
    #[error("the journal's row {0} holds no envelope")]
    NoEnvelope(String),
    /// A row of the table is not as it is written here.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The pointer is not as it is written here.
    #[error(transparent)]
    NoPointer(#[from] NoPointer),
    /// Somebody else has begun another generation.
    #[error("another rebuild has been begun since")]
    Overtaken,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events of the journal that are folded in.
    pub events: u64,
    /// Of these, those that another run had folded in before it was killed.
    pub before: u64,
    /// Parts of the journal that are read to their end, out of [`PARTS`].
    pub parts: u32,
}

/// A rebuild under way.
#[derive(Debug)]
pub struct Rebuild<S> {
    store: S,
    clock: Clock,
    generation: Generation,
    begun: u64,
    is_resumed: bool,
}

impl<S: Store> Rebuild<S> {
    /// Begins a new generation, or goes on with the one that is being built.
    ///
    /// # Errors
    /// [`RebuildError`].
    pub async fn begin(store: S, clock: Clock) -> Result<Self, RebuildError> {
        for _ in 0..TRIES {
            let generations = pointer(&store).await?;
            let now = clock.now();
            let young = |(_, begun): &(Generation, u64)| now.saturating_sub(*begun) < RESUMABLE;
            if let Some((generation, begun)) = generations.building.filter(young) {
                return Ok(Self {
                    store,
                    clock,
                    generation,
                    begun,
                    is_resumed: true,
                });
            }
            let (next, write) = generations.begin(now);
            match store.commit(&[write]).await {
                Ok(()) => {
                    return Ok(Self {
                        store,
                        clock,
                        generation: next.building.map_or(next.serving, |(it, _)| it),
                        begun: now,
                        is_resumed: false,
                    });
                }
                // By another, or by ourselves and the answer was lost: the pointer tells.
                Err(CommitError::Refused(_) | CommitError::Unknown(_)) => {}
                Err(error) => pause_or(error).await?,
            }
        }
        Err(RebuildError::Overtaken)
    }

    /// The generation that is being built.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether it goes on with what another run has begun.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Reads the journal to its end, a page of at most `page` rows (or of 1 MiB) at a time.
    ///
    /// # Errors
    /// [`RebuildError`].
    pub async fn fill<J: Scan>(
        &self,
        journal: &J,
        page: Option<u32>,
        progress: impl Fn(Progress) + Sync,
    ) -> Result<Progress, RebuildError> {
        let sum = Mutex::new(Progress::default());
        let add = |more: Progress| {
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.events += more.events;
            sum.before += more.before;
            sum.parts += more.parts;
            progress(*sum);
        };
        let parts = (0..PARTS).map(|number| self.fill_part(journal, number, page, &add));
        try_join_all(parts).await?;
        let sum = sum.into_inner();
        Ok(sum.unwrap_or_else(PoisonError::into_inner))
    }

    async fn fill_part<J: Scan>(
        &self,
        journal: &J,
        number: u32,
        page: Option<u32>,
        add: &(impl Fn(Progress) + Sync),
    ) -> Result<(), RebuildError> {
        let mut cursor = self.cursor(number).await?;
        add(Progress {
            events: cursor.events,
            before: cursor.events,
            parts: u32::from(cursor.is_done),
        });
        while !cursor.is_done {
            let part = Part {
                number,
                of: PARTS,
                limit: page,
                after: cursor.after.take(),
            };
            let Page { items, next } = read(|| journal.scan(&part)).await?;
            let mut orders: BTreeMap<OrderId, Facts> = BTreeMap::new();
            let mut events = 0;
            for row in items.iter().filter(|row| is_filed(row)) {
                let event = Event::in_row(row).ok_or_else(|| no_envelope(row))?;
                events += 1;
                join(&mut orders, event.order_id(), || Facts::of(&event));
            }
            self.fold(orders).await?;
            cursor.events += events;
            cursor.is_done = next.is_none();
            cursor.after = next;
            self.note(number, &cursor).await?;
            add(Progress {
                events,
                before: 0,
                parts: u32::from(cursor.is_done),
            });
        }
        Ok(())
    }

    /// Folds in what was handled lately, once every invocation has ended that had not seen the new pointer: `grace` after
    /// the beginning, which is the function's time-out and a little more. How many events that were.
    ///
    /// # Errors
    /// [`RebuildError`].
    pub async fn catch_up(&self, grace: Duration) -> Result<u64, RebuildError> {
        let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let wait = self
            .begun
            .saturating_add(grace)
            .saturating_sub(self.clock.now());
        sleep(Duration::from_millis(wait)).await;
        let queries = log::queries(self.begun.saturating_sub(log::LOOK_BACK), self.clock.now());
        let counts = stream::iter(queries).map(|mut query| async move {
            let mut events = 0;
            loop {
                let page = read(|| self.store.query(&query)).await?;
                let mut orders: BTreeMap<OrderId, Facts> = BTreeMap::new();
                for (order, facts) in page.items.iter().filter_map(log::read) {
                    events += 1;
                    join(&mut orders, Some(order), || facts);
                }
                self.fold(orders).await?;
                query.after = page.next;
                if query.after.is_none() {
                    return Ok::<u64, RebuildError>(events);
                }
            }
        });
        let counts = counts.buffer_unordered(AT_ONCE);
        counts.try_fold(0, async |sum, count| Ok(sum + count)).await
    }

    /// Lets the new generation answer.
    ///
    /// # Errors
    /// [`RebuildError`]: [`Overtaken`](RebuildError::Overtaken) when another is being built by now.
    pub async fn flip(&self) -> Result<(), RebuildError> {
        for _ in 0..TRIES {
            let generations = pointer(&self.store).await?;
            if generations.serving == self.generation {
                return Ok(());
            }
            let building = generations.building.map(|(generation, _)| generation);
            if building != Some(self.generation) {
                return Err(RebuildError::Overtaken);
            }
            match self
                .store
                .commit(&[generations.flip(self.generation).1])
                .await
            {
                Ok(()) => return Ok(()),
                Err(CommitError::Refused(_) | CommitError::Unknown(_)) => {}
                Err(error) => pause_or(error).await?,
            }
        }
        Err(RebuildError::Overtaken)
    }

    async fn fold(&self, orders: BTreeMap<OrderId, Facts>) -> Result<(), RebuildError> {
        let folds = stream::iter(orders).map(|(order, facts)| async move {
            let mut standing = None;
            for _ in 0..TRIES {
                let write = row::fold(self.generation, &order, &facts, standing.as_ref())?;
                let Some(write) = write else {
                    return Ok(());
                };
                match self.store.commit(&[write]).await {
                    Ok(()) => return Ok(()),
                    Err(CommitError::Refused(refusals)) => {
                        standing = refusals.into_iter().next().and_then(|it| it.row);
                    }
                    Err(error) => pause_or(error).await?,
                }
            }
            let busy = "an order's row keeps changing, or its table does not answer";
            Err(RebuildError::Write(CommitError::Unknown(busy.into())))
        });
        folds.buffer_unordered(AT_ONCE).try_collect().await
    }

    fn cursor_key(&self, number: u32) -> Key {
        Key::of(
            format!("rebuild#{}", self.generation),
            format!("part#{number}"),
        )
    }

    async fn cursor(&self, number: u32) -> Result<Cursor, RebuildError> {
        let key = [self.cursor_key(number)];
        let rows = read(|| self.store.get(&key)).await?;
        let row = rows.into_iter().next().flatten();
        Ok(row.map(|row| Cursor::read(&row)).unwrap_or_default())
    }

    async fn note(&self, number: u32, cursor: &Cursor) -> Result<(), RebuildError> {
        let expires = self.clock.now() / 1000 + RETIRED_SECONDS * 30;
        let row = cursor
            .row(self.cursor_key(number))
            .set("expiresAt", expires);
        write(&self.store, Write::put(row)).await
    }
}

/// Gives the rows of every generation before the one that serves a time to go, in a day; how many.
///
/// # Errors
/// [`RebuildError`].
pub async fn retire<S: Store + Scan>(store: &S, clock: Clock) -> Result<u64, RebuildError> {
    let serving = pointer(store).await?.serving;
    let expires = clock.now() / 1000 + RETIRED_SECONDS;
    let parts = (0..PARTS).map(|number| async move {
        let mut part = Part {
            number,
            of: PARTS,
            ..Part::default()
        };
        let mut retired = 0;
        loop {
            let Page { items, next } = read(|| store.scan(&part)).await?;
            let rows = items
                .into_iter()
                .filter(|row| !row.contains_key("expiresAt"));
            let keys = rows.filter_map(|row| {
                let pk = row.get("pk")?.as_str()?;
                let generation = Generation::of_row(pk)?;
                (generation < serving).then(|| Key::new(pk))
            });
            let writes: Vec<Write> = keys
                .map(|key| {
                    let write = Write::update(key).set("expiresAt", expires);
                    write.when(Condition::Present)
                })
                .collect();
            retired += writes.len() as u64;
            let writes = stream::iter(writes).map(|it| write(store, it));
            writes.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            part.after = next;
            if part.after.is_none() {
                return Ok::<u64, RebuildError>(retired);
            }
        }
    });
    Ok(try_join_all(parts).await?.into_iter().sum())
}

/// What the pointer says.
///
/// # Errors
/// [`RebuildError`].
pub async fn pointer<S: Store>(store: &S) -> Result<Generations, RebuildError> {
    let key = [Generations::key()];
    let rows = read(|| store.get(&key)).await?;
    Ok(Generations::read(
        rows.into_iter().next().flatten().as_ref(),
    )?)
}

/// Whether a row of the journal's table is an event: its notes about suspects lie there too.
pub(crate) fn is_filed(row: &Item) -> bool {
    let pk = row.get("pk").and_then(Value::as_str);
    pk.is_some_and(|pk| pk.starts_with("order#"))
}

pub(crate) fn no_envelope(row: &Item) -> RebuildError {
    let key = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or("?");
    RebuildError::NoEnvelope(format!("{} / {}", key("pk"), key("sk")))
}

/// Joins facts to those of their order; what is about no order is passed over.
pub(crate) fn join(
    orders: &mut BTreeMap<OrderId, Facts>,
    order: Option<OrderId>,
    facts: impl FnOnce() -> Facts,
) {
    if let Some(order) = order {
        let joined = orders.entry(order).or_default();
        *joined = std::mem::take(joined).join(facts());
    }
}

/// Reads, and again while the table does not answer.
pub(crate) async fn read<T, F: Future<Output = Result<T, StoreError>>>(
    mut read: impl FnMut() -> F,
) -> Result<T, StoreError> {
    for tried in 0..TRIES {
        match read().await {
            Err(_) if tried + 1 < TRIES => pause(tried).await,
            answer => return answer,
        }
    }
    Err(StoreError("the table does not answer".into()))
}

/// Writes what may be written twice, and need not be written where its condition does not hold.
async fn write<S: Store>(store: &S, write: Write) -> Result<(), RebuildError> {
    let writes = [write];
    for _ in 0..TRIES {
        match store.commit(&writes).await {
            Ok(()) | Err(CommitError::Refused(_)) => return Ok(()),
            Err(error) => pause_or(error).await?,
        }
    }
    let silence = "the table does not answer";
    Err(RebuildError::Write(CommitError::Unknown(silence.into())))
}

/// Waits a little where that may help.
async fn pause_or(error: CommitError) -> Result<(), RebuildError> {
    match error {
        CommitError::Conflict | CommitError::Throttled | CommitError::Unknown(_) => {
            pause(2).await;
            Ok(())
        }
        error => Err(RebuildError::Write(error)),
    }
}

async fn pause(tried: u32) {
    sleep(Duration::from_millis(25 << tried.min(6))).await;
}

/// How far a part has come.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cursor {
    after: Option<Item>,
    events: u64,
    is_done: bool,
}

impl Cursor {
    fn row(&self, key: Key) -> Row {
        let row = Row::new(key)
            .set("events", self.events)
            .set("done", self.is_done);
        match &self.after {
            Some(after) => row.set("after", after.clone()),
            None => row,
        }
    }

    fn read(row: &Item) -> Self {
        let events = row.get("events").and_then(Value::as_i64);
        Self {
            after: match row.get("after") {
                Some(Value::Map(after)) => Some(after.clone()),
                _ => None,
            },
            events: events
                .and_then(|it| u64::try_from(it).ok())
                .unwrap_or_default(),
            is_done: row.get("done") == Some(&Value::Bool(true)),
        }
    }
}
