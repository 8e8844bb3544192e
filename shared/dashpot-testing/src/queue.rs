use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashpot::{Message, ParkNote, Queue, QueueError};
use serde_json::Value;

/// A queue that records what it is asked, and can be told to fail.
#[derive(Debug, Default)]
pub struct RecordingQueue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    delayed: Vec<(String, Duration)>,
    deleted: Vec<String>,
    parked: Vec<Parked>,
    fails: bool,
}

/// A message in the dead-letter queue.
#[derive(Debug, Clone)]
pub struct Parked {
    /// SQS's id of it in the queue that it came from.
    pub message_id: String,
    /// Its body, unchanged.
    pub body: String,
    /// The note, as JSON.
    pub note: Value,
}

impl RecordingQueue {
    /// A queue that does what it is asked.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on parking and deleting fail, or work again.
    pub fn fail(&self, fails: bool) {
        self.lock().fails = fails;
    }

    /// What was delayed: receipt handle and delay.
    #[must_use]
    pub fn delayed(&self) -> Vec<(String, Duration)> {
        self.lock().delayed.clone()
    }

    /// What was deleted: receipt handles.
    #[must_use]
    pub fn deleted(&self) -> Vec<String> {
        self.lock().deleted.clone()
    }

    /// What was parked.
    #[must_use]
    pub fn parked(&self) -> Vec<Parked> {
        self.lock().parked.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn working(&self) -> Result<MutexGuard<'_, State>, QueueError> {
        let state = self.lock();
        if state.fails {
            return Err(QueueError("told to fail".into()));
        }
        Ok(state)
    }
}

impl Queue for &RecordingQueue {
    async fn delay(&self, delays: &[(&str, Duration)]) {
        let delays = delays
            .iter()
            .map(|(receipt, delay)| ((*receipt).to_owned(), *delay));
        self.lock().delayed.extend(delays);
    }

    async fn delete(&self, receipts: &[&str]) -> Result<(), QueueError> {
        let receipts = receipts.iter().map(|receipt| (*receipt).to_owned());
        self.working()?.deleted.extend(receipts);
        Ok(())
    }

    async fn park(&self, message: &Message<'_>, note: &ParkNote<'_>) -> Result<(), QueueError> {
        let note = serde_json::to_value(note).map_err(|error| QueueError(error.to_string()))?;
        self.working()?.parked.push(Parked {
            message_id: message.message_id.clone().into_owned(),
            body: message.body.clone().into_owned(),
            note,
        });
        Ok(())
    }
}
