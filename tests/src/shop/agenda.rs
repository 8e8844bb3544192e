//! `EventBridge` Scheduler in memory: one-time schedules by name, each of which is delivered once at least, and then gone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A command that waits.
#[derive(Debug, Clone)]
pub struct Appointment {
    /// The queue's name.
    pub to: String,
    /// The message.
    pub body: String,
    /// When it is sent, in milliseconds since the Unix epoch.
    pub due: u64,
}

/// All that waits.
#[derive(Debug, Default)]
pub struct Agenda(Mutex<BTreeMap<String, Appointment>>);

impl Agenda {
    /// Adds one, unless one has that name.
    pub fn add(&self, name: &str, appointment: Appointment) {
        self.lock().entry(name.to_owned()).or_insert(appointment);
    }

    /// Forgets the one of that name.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Takes those that are due.
    pub fn due(&self, now: u64) -> Vec<Appointment> {
        let mut all = self.lock();
        let due = |_: &String, it: &mut Appointment| it.due <= now;
        all.extract_if(.., due).map(|(_, it)| it).collect()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Appointment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
