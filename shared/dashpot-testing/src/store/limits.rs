//! How large a row, a key and a transaction may be.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>

use dashpot::{Item, Key, Value};

/// The most rows of a transaction.
pub(super) const MOST_WRITES: usize = 100;
/// The largest transaction, in bytes: 4 MB.
pub(super) const LARGEST_TRANSACTION: usize = 4 * 1024 * 1024;
/// The largest row, in bytes: 400 KB.
pub(super) const LARGEST_ROW: usize = 400 * 1024;
/// The largest page of a query, in bytes: 1 MB.
pub(super) const LARGEST_PAGE: usize = 1024 * 1024;
/// The deepest that lists and maps may lie in one another.
const DEEPEST: usize = 32;

/// A row's size, in bytes, as DynamoDB counts it.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
pub(super) fn size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value_size(value))
        .sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::S(text) => text.len(),
        Value::N(number) => {
            let digits = number.unsigned_abs().checked_ilog10().unwrap_or_default() as usize + 1;
            digits.div_ceil(2) + 1 + usize::from(*number < 0)
        }
        Value::Bool(_) => 1,
        Value::List(values) => {
            3 + values
                .iter()
                .map(|value| 1 + value_size(value))
                .sum::<usize>()
        }
        Value::Map(item) => 3 + item.len() + size(item),
    }
}

/// What is wrong with a key, if anything.
pub(super) fn check_key(key: &Key) -> Result<(), String> {
    if key.pk.is_empty() || key.sk.is_empty() {
        return Err("a key is empty".into());
    }
    if key.pk.len() > 2048 || key.sk.len() > 1024 {
        return Err("a key is too long".into());
    }
    Ok(())
}

/// What is wrong with a row, if anything.
pub(super) fn check_row(item: &Item) -> Result<(), String> {
    if item.keys().any(String::is_empty) {
        return Err("an attribute has no name".into());
    }
    if item.values().any(|value| depth(value) > DEEPEST) {
        return Err("an attribute lies too deep".into());
    }
    let bytes = size(item);
    if bytes > LARGEST_ROW {
        return Err(format!("a row has {bytes} bytes"));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Map(item) => 1 + item.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}
