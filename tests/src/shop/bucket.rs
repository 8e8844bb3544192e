//! S3 in memory: objects by key.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A bucket.
#[derive(Debug, Default)]
pub struct Bucket(Mutex<BTreeMap<String, String>>);

impl Bucket {
    /// Puts an object, whatever was there.
    pub fn put(&self, key: &str, body: String) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(key.to_owned(), body);
    }

    /// All objects.
    pub fn objects(&self) -> BTreeMap<String, String> {
        let objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.clone()
    }
}
