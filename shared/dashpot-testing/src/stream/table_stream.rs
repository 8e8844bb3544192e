//! What was committed, in order.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashpot::{Clock, Key};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::record::{EventName, StreamRecord};
use crate::store::Changed;

/// The stream of a [`MemoryStore`](crate::MemoryStore), and how far its mapping is: a record is held until the mapping
/// has passed it, or for a day.
#[derive(Debug)]
pub struct TableStream {
    arn: String,
    shards: usize,
    clock: Clock,
    state: Mutex<State>,
    arrived: Notify,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// A lane is a shard, or a part of one where the mapping takes several at once.
    lanes: Vec<VecDeque<Arc<StreamRecord>>>,
    last: u64,
    lost: Vec<Arc<StreamRecord>>,
}

impl TableStream {
    pub(crate) fn new(table: &str, shards: usize, clock: Clock) -> Self {
        let shards = shards.max(1);
        Self {
            arn: format!(
                "arn:aws:dynamodb:eu-central-1:123456789012:table/{table}/stream/2026-11-01T08:15:42.318"
            ),
            shards,
            clock,
            state: Mutex::new(State {
                lanes: vec![VecDeque::new(); shards],
                last: 0,
                lost: Vec::new(),
            }),
            arrived: Notify::new(),
            changed: Notify::new(),
        }
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What the mapping has not passed yet, in order.
    #[must_use]
    pub fn records(&self) -> Vec<Arc<StreamRecord>> {
        let state = self.lock();
        let mut records: Vec<_> = state.lanes.iter().flatten().cloned().collect();
        records.sort_by_key(|record| record.sequence_number);
        records
    }

    /// How many records the mapping has not passed yet.
    #[must_use]
    pub fn behind(&self) -> usize {
        self.lock().lanes.iter().map(VecDeque::len).sum()
    }

    /// What was lost because nobody took it for a day.
    #[must_use]
    pub fn lost(&self) -> Vec<Arc<StreamRecord>> {
        self.lock().lost.clone()
    }

    /// Waits until this is true of it; looks again whenever something is written or passed.
    pub async fn until(&self, is: impl Fn(&Self) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if is(self) {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn append(&self, changes: Vec<Changed>) {
        if changes.is_empty() {
            return;
        }
        let (at, created) = (Instant::now(), self.clock.now());
        let mut state = self.lock();
        for change in changes {
            let event_name = match (&change.old, &change.new) {
                (None, _) => EventName::Insert,
                (Some(_), Some(_)) => EventName::Modify,
                (Some(_), None) => EventName::Remove,
            };
            state.last += 1;
            let lane = lane(&change.key, self.shards, state.lanes.len());
            let record = StreamRecord {
                sequence_number: state.last,
                event_name,
                key: change.key,
                new_image: change.new,
                created,
                at,
            };
            state.lanes[lane].push_back(Arc::new(record));
        }
        drop(state);
        self.arrived.notify_waiters();
        self.changed.notify_waiters();
    }

    /// The id of the shard that a lane is, or is a part of.
    pub(super) fn shard_id(&self, lane: usize) -> String {
        let shard = lane % self.shards;
        format!("shardId-{shard:020}-{shard:08x}")
    }

    /// Takes each shard apart into so many lanes; their number.
    pub(super) fn split(&self, factor: usize) -> usize {
        let records = self.records();
        let lanes = self.shards * factor;
        let mut state = self.lock();
        state.lanes = vec![VecDeque::new(); lanes];
        for record in records {
            let lane = lane(&record.key, self.shards, lanes);
            state.lanes[lane].push_back(record);
        }
        lanes
    }

    /// Passes everything before the first record of the lane that is wanted; at most `most` of those that are.
    pub(super) fn next(
        &self,
        lane: usize,
        most: usize,
        wanted: impl Fn(&StreamRecord) -> bool,
    ) -> Vec<Arc<StreamRecord>> {
        let mut state = self.lock();
        let records = &mut state.lanes[lane];
        let before = records.len();
        while records.front().is_some_and(|record| !wanted(record)) {
            records.pop_front();
        }
        let passed = records.len() < before;
        let next = records.iter().filter(|record| wanted(record));
        let next = next.take(most).cloned().collect();
        drop(state);
        if passed {
            self.changed.notify_waiters();
        }
        next
    }

    /// The mapping is done with everything in the lane up to this record.
    pub(super) fn pass(&self, lane: usize, through: u64) {
        let mut state = self.lock();
        let records = &mut state.lanes[lane];
        while records
            .front()
            .is_some_and(|record| record.sequence_number <= through)
        {
            records.pop_front();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits until something is written. Made before one looks, and awaited afterwards, it misses nothing.
    pub(super) fn arrival(&self) -> tokio::sync::futures::Notified<'_> {
        self.arrived.notified()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { lanes, lost, .. } = &mut *state;
        for lane in lanes {
            while let Some(old) = lane.pop_front_if(|record| !record.is_held()) {
                lost.push(old);
            }
        }
        state
    }
}

/// The lane of a row. Those of a partition are in one shard, but only what happens to one row is in order where several
/// lanes share it.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
fn lane(key: &Key, shards: usize, lanes: usize) -> usize {
    let shard = hash([key.pk.as_str()]) % shards;
    let part = hash([key.pk.as_str(), key.sk.as_str()]) % (lanes / shards);
    shard + shards * part
}

fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    let bytes = texts.into_iter().flat_map(str::bytes);
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash as usize
}
