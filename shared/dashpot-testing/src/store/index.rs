//! Secondary indexes.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashpot::{Item, Key, Value};

/// A global secondary index that holds whole rows: those that have both of its keys.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-indexes-general-sparse-indexes.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// The attribute that is its partition key: a text.
    pub partition: String,
    /// The attribute that is its sort key.
    pub sort: String,
    /// Whether the sort key is a number; else it is a text.
    pub sort_is_number: bool,
}

impl Index {
    /// An index whose sort key is a text.
    #[must_use]
    pub fn by_text(name: &str, partition: &str, sort: &str) -> Self {
        Self {
            name: name.to_owned(),
            partition: partition.to_owned(),
            sort: sort.to_owned(),
            sort_is_number: false,
        }
    }

    /// An index whose sort key is a number.
    #[must_use]
    pub fn by_number(name: &str, partition: &str, sort: &str) -> Self {
        Self {
            sort_is_number: true,
            ..Self::by_text(name, partition, sort)
        }
    }

    /// What is wrong with the index's keys in a row, if anything: of another type, or empty.
    pub(super) fn check(&self, row: &Item) -> Result<(), String> {
        let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let number = |value: &Value| value.as_i64().is_some();
        let sort_fits = |value: &Value| {
            if self.sort_is_number {
                number(value)
            } else {
                text(value)
            }
        };
        let fits =
            row.get(&self.partition).is_none_or(text) && row.get(&self.sort).is_none_or(sort_fits);
        if fits {
            Ok(())
        } else {
            Err(format!(
                "a key of the index `{}` has no such value",
                self.name
            ))
        }
    }

    /// Where a row lies in it; nowhere if it lacks one of the keys.
    pub(super) fn place(&self, row: &Item) -> Option<(String, Sort)> {
        let partition = row.get(&self.partition)?.as_str()?.to_owned();
        let sort = match row.get(&self.sort)? {
            Value::S(text) => Sort::Text(text.clone()),
            Value::N(number) => Sort::Number(*number),
            _ => return None,
        };
        Some((partition, sort))
    }
}

/// A sort key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Number(i64),
    Text(String),
}

/// The rows of an index: by partition, by sort key, by their own key.
#[derive(Debug)]
pub(super) struct IndexRows {
    pub(super) index: Index,
    rows: BTreeMap<(String, Sort, Key), Arc<Item>>,
}

impl IndexRows {
    pub(super) fn new(index: Index) -> Self {
        Self {
            index,
            rows: BTreeMap::new(),
        }
    }

    pub(super) fn replace(&mut self, key: &Key, old: Option<&Item>, new: Option<&Arc<Item>>) {
        let place = |row: &Item| self.index.place(row);
        let (gone, come) = (old.and_then(place), new.and_then(|row| place(row)));
        if let Some((partition, sort)) = gone {
            self.rows.remove(&(partition, sort, key.clone()));
        }
        if let (Some((partition, sort)), Some(row)) = (come, new) {
            self.rows
                .insert((partition, sort, key.clone()), Arc::clone(row));
        }
    }

    /// The rows of a partition, in order, each with its sort key.
    pub(super) fn partition<'a>(
        &'a self,
        value: &'a str,
    ) -> impl Iterator<Item = (&'a Sort, &'a Key, &'a Arc<Item>)> {
        let first = (
            value.to_owned(),
            Sort::Number(i64::MIN),
            Key::of(String::new(), String::new()),
        );
        self.rows
            .range(first..)
            .take_while(move |((partition, ..), _)| partition == value)
            .map(|((_, sort, key), row)| (sort, key, row))
    }
}
