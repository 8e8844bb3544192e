//! S3 in memory: objects by key.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

/// A bucket.
#[derive(Debug, Default)]
pub struct Bucket(Mutex<BTreeMap<String, Vec<u8>>>);

impl Bucket {
    /// Puts an object, whatever was there.
    pub fn put(&self, key: &str, body: Vec<u8>) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(key.to_owned(), body);
    }

    /// Puts an object where none is; whether none was.
    pub fn put_new(&self, key: &str, body: Vec<u8>) -> bool {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match objects.entry(key.to_owned()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(free) => {
                free.insert(body);
                true
            }
        }
    }

    /// All objects.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.clone()
    }
}
