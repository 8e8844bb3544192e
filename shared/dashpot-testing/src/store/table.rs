//! The rows of a table, and what may be done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dashpot::{
    Change, CommitError, Item, Key, Page, Part, Query, Refusal, StoreError, Value, Write, shard,
};

use super::index::{Index, IndexRows, Sort};
use super::limits::{LARGEST_PAGE, LARGEST_TRANSACTION, MOST_WRITES, check_key, check_row, size};

#[derive(Debug)]
pub(super) struct Table {
    rows: BTreeMap<Key, Arc<Item>>,
    indexes: Vec<IndexRows>,
}

/// What a commit did to a row.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) key: Key,
    pub(crate) old: Option<Arc<Item>>,
    pub(crate) new: Option<Arc<Item>>,
}

impl Table {
    pub(super) fn new(indexes: &[Index]) -> Self {
        Self {
            rows: BTreeMap::new(),
            indexes: indexes.iter().cloned().map(IndexRows::new).collect(),
        }
    }

    pub(super) fn row(&self, key: &Key) -> Option<&Item> {
        self.rows.get(key).map(Arc::as_ref)
    }

    pub(super) fn rows<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Item> {
        self.rows
            .range(Key::of(prefix, "")..)
            .take_while(move |(key, _)| key.pk.starts_with(prefix))
            .map(|(_, row)| row.as_ref())
    }

    /// Does all of the writes, or none.
    pub(super) fn commit(&mut self, writes: &[Write]) -> Result<Vec<Changed>, CommitError> {
        check_request(writes).map_err(CommitError::Invalid)?;
        let (mut refusals, mut changes) = (Vec::new(), Vec::with_capacity(writes.len()));
        let mut bytes = 0;
        for (index, write) in writes.iter().enumerate() {
            let key = write.key();
            let old = self.rows.get(key);
            if !write.condition().holds(old.map(Arc::as_ref)) {
                refusals.push(Refusal {
                    index,
                    key: key.clone(),
                    row: old.map(|row| row.as_ref().clone()),
                });
                continue;
            }
            let new = self.after(write).map_err(CommitError::Invalid)?;
            bytes += new.as_deref().or(old.map(Arc::as_ref)).map_or(0, size);
            if !matches!(write, Write::Check { .. }) {
                changes.push(Changed {
                    key: key.clone(),
                    old: old.cloned(),
                    new,
                });
            }
        }
        if bytes > LARGEST_TRANSACTION {
            let large = format!("the transaction has {bytes} bytes");
            return Err(CommitError::Invalid(large));
        }
        if !refusals.is_empty() {
            return Err(CommitError::Refused(refusals));
        }
        // DynamoDB tells its stream of changes only.
        changes.retain(|change| change.old != change.new);
        for change in &changes {
            self.replace(change);
        }
        Ok(changes)
    }

    fn replace(&mut self, change: &Changed) {
        for index in &mut self.indexes {
            index.replace(&change.key, change.old.as_deref(), change.new.as_ref());
        }
        match &change.new {
            Some(row) => drop(self.rows.insert(change.key.clone(), Arc::clone(row))),
            None => drop(self.rows.remove(&change.key)),
        }
    }

    /// The row as it will stand, or what is wrong with it.
    fn after(&self, write: &Write) -> Result<Option<Arc<Item>>, String> {
        let row = match write {
            Write::Put { row, .. } => with_key(row.attributes.clone(), &row.key),
            Write::Update { key, changes, .. } => {
                let old = self.row(key).cloned();
                let mut row = old.unwrap_or_else(|| with_key(Item::new(), key));
                for change in changes {
                    make(change, &mut row)?;
                }
                row
            }
            Write::Delete { .. } => return Ok(None),
            Write::Check { key, .. } => return Ok(self.rows.get(key).cloned()),
        };
        check_row(&row)?;
        for index in &self.indexes {
            index.index.check(&row)?;
        }
        Ok(Some(Arc::new(row)))
    }

    pub(super) fn scan(&self, part: &Part) -> Result<Page, StoreError> {
        if part.limit == Some(0) || part.number >= part.of {
            return Err(StoreError("there is no such part of a table".into()));
        }
        let after = part.after.as_ref();
        let after = after.map(|after| key_of(after).ok_or_else(not_a_start));
        let after = after.transpose()?;
        let first = after.clone().unwrap_or_else(|| Key::of("", ""));
        let rows = self
            .rows
            .range(first..)
            .filter(|(key, _)| Some(*key) != after.as_ref() && is_in(part, key))
            .map(|(key, row)| (with_key(Item::new(), key), row));
        Ok(page(rows, part.limit))
    }

    pub(super) fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let (partition, value) = &query.partition;
        if query.limit == Some(0) {
            return Err(StoreError("the limit is 0".into()));
        }
        let Some(name) = query.index else {
            if *partition != "pk" || query.up_to.is_some() {
                return Err(StoreError(
                    "a table has the keys pk and sk, both texts".into(),
                ));
            }
            let first = match &query.after {
                None => Key::of(value, ""),
                Some(after) => key_of(after).ok_or_else(not_a_start)?,
            };
            let rows = self
                .rows
                .range(first.clone()..)
                .filter(|(key, _)| query.after.is_none() || **key != first)
                .take_while(|(key, _)| key.pk == *value)
                .map(|(key, row)| (with_key(Item::new(), key), row));
            return Ok(page(rows, query.limit));
        };
        let index = self.indexes.iter().find(|rows| rows.index.name == name);
        let Some(rows) = index else {
            return Err(StoreError(format!("the table has no index `{name}`")));
        };
        let index = &rows.index;
        let bound = match query.up_to {
            None => None,
            Some((sort, bound)) if index.sort_is_number && sort == index.sort => Some(bound),
            Some((sort, _)) => {
                let wrong = format!("`{sort}` is no numeric sort key of the index `{name}`");
                return Err(StoreError(wrong));
            }
        };
        if *partition != index.partition {
            let wrong = format!("`{partition}` is not the partition key of the index `{name}`");
            return Err(StoreError(wrong));
        }
        let after = match &query.after {
            None => None,
            Some(after) => {
                let place = index.place(after).zip(key_of(after));
                let ((_, sort), key) = place.ok_or_else(not_a_start)?;
                Some((sort, key))
            }
        };
        let rows = rows
            .partition(value)
            .skip_while(|(sort, key, _)| {
                let after = after.as_ref();
                after.is_some_and(|(s, k)| (*sort, *key) <= (s, k))
            })
            .take_while(|(sort, ..)| match (bound, sort) {
                (Some(bound), Sort::Number(number)) => *number <= bound,
                _ => true,
            })
            .map(|(sort, key, row)| {
                let mut last = with_key(Item::new(), key);
                last.insert(index.partition.clone(), value.as_str().into());
                let sort = match sort {
                    Sort::Number(number) => Value::N(*number),
                    Sort::Text(text) => Value::S(text.clone()),
                };
                last.insert(index.sort.clone(), sort);
                (last, row)
            });
        Ok(page(rows, query.limit))
    }
}

/// Which part of the table a partition is in: DynamoDB takes one by the hash of its key as well.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html#Scan.ParallelScan>
fn is_in(part: &Part, key: &Key) -> bool {
    shard(&key.pk) % part.of == part.number
}

/// As many rows as a page holds. It ends where the limit or the size ends it, whether or not anything follows.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html>
fn page<'a>(rows: impl Iterator<Item = (Item, &'a Arc<Item>)>, limit: Option<u32>) -> Page {
    let limit = limit.map_or(usize::MAX, |limit| limit as usize);
    let (mut page, mut bytes) = (Page::default(), 0);
    for (last, row) in rows {
        bytes += size(row);
        page.items.push(row.as_ref().clone());
        if page.items.len() == limit || bytes >= LARGEST_PAGE {
            page.next = Some(last);
            break;
        }
    }
    page
}

/// What is wrong with a transaction whatever the rows say.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
fn check_request(writes: &[Write]) -> Result<(), String> {
    let keys: BTreeSet<&Key> = writes.iter().map(Write::key).collect();
    if keys.len() < writes.len() {
        return Err("a row is named twice".into());
    }
    if writes.len() > MOST_WRITES {
        return Err("more than 100 rows".into());
    }
    for write in writes {
        check_key(write.key())?;
        write.validate()?;
    }
    Ok(())
}

fn make(change: &Change, row: &mut Item) -> Result<(), String> {
    match change {
        Change::Set(name, value) => drop(row.insert(name.clone(), value.clone())),
        Change::Add(name, amount) => {
            let sum = match row.get(name) {
                None => Some(*amount),
                Some(Value::N(number)) => number.checked_add(*amount),
                Some(_) => return Err(format!("`{name}` is no number to add to")),
            };
            let sum = sum.ok_or_else(|| format!("`{name}` grows beyond 64 bits"))?;
            row.insert(name.clone(), Value::N(sum));
        }
        Change::Remove(name) => drop(row.remove(name)),
    }
    Ok(())
}

fn with_key(mut item: Item, key: &Key) -> Item {
    item.insert("pk".into(), key.pk.as_str().into());
    item.insert("sk".into(), key.sk.as_str().into());
    item
}

fn key_of(item: &Item) -> Option<Key> {
    Some(Key::of(
        item.get("pk")?.as_str()?,
        item.get("sk")?.as_str()?,
    ))
}

fn not_a_start() -> StoreError {
    StoreError("the page does not start at a key".into())
}
