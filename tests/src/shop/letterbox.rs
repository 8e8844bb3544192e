//! SES in memory: every letter that was carried.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use email::letter::{Kind, Letter};

/// Letters by order and kind, counted.
#[derive(Debug, Default)]
pub struct Letterbox(Mutex<BTreeMap<(String, Kind), usize>>);

impl Letterbox {
    /// Carries a letter.
    pub fn carry(&self, letter: &Letter) {
        let key = (letter.order.to_string(), letter.kind);
        *self.lock().entry(key).or_default() += 1;
    }

    /// How often each letter was carried.
    pub fn letters(&self) -> BTreeMap<(String, Kind), usize> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, Kind), usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
