//! What was ordered.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{Money, Sku};

/// So many of one sku.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What.
    pub sku: Sku,
    /// How many; at least one.
    #[cfg_attr(feature = "schema", schemars(range(max = u32::MAX)))]
    pub quantity: NonZeroU32,
    /// The price of one, when the order was placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Money>,
}

/// The lines of an order: at most [`Lines::MAX`], each sku once.
///
/// Equal skus are merged when lines are read: one DynamoDB transaction cannot touch an item twice, and
/// takes 100 items, of which the rest is kept for what goes with the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Line>", into = "Vec<Line>")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(!try_from, !into, description = "The lines of an order: at most 90 different skus. Equal ones are merged.")
)]
pub struct Lines(Vec<Line>);

/// More different skus than [`Lines::MAX`], or more of one than can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an order has at most {} lines, and at most {} of a sku",
    Lines::MAX,
    u32::MAX
)]
pub struct TooManyLines;

impl Lines {
    /// How many lines an order may have.
    pub const MAX: usize = 90;

    /// The lines, ordered by sku.
    pub fn iter(&self) -> std::slice::Iter<'_, Line> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<Line>> for Lines {
    type Error = TooManyLines;

    fn try_from(lines: Vec<Line>) -> Result<Self, TooManyLines> {
        let mut merged: BTreeMap<Sku, Line> = BTreeMap::new();
        for line in lines {
            match merged.get_mut(&line.sku) {
                Some(same) => {
                    same.quantity = same
                        .quantity
                        .checked_add(line.quantity.get())
                        .ok_or(TooManyLines)?;
                }
                None => {
                    merged.insert(line.sku.clone(), line);
                }
            }
        }
        if merged.len() > Self::MAX {
            return Err(TooManyLines);
        }
        Ok(Self(merged.into_values().collect()))
    }
}

impl From<Lines> for Vec<Line> {
    fn from(lines: Lines) -> Self {
        lines.0
    }
}

impl<'a> IntoIterator for &'a Lines {
    type Item = &'a Line;
    type IntoIter = std::slice::Iter<'a, Line>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn equal_skus_are_merged() {
        let lines: Lines = serde_json::from_str(
            r#"[{"sku":"b","quantity":1},{"sku":"a","quantity":2},{"sku":"b","quantity":3}]"#,
        )
        .unwrap();
        let read: Vec<_> = lines
            .iter()
            .map(|line| (line.sku.as_str(), line.quantity.get()))
            .collect();
        assert_eq!(read, [("a", 2), ("b", 4)]);
    }

    #[test]
    fn a_quantity_below_one_is_refused_and_so_are_too_many_lines() {
        assert!(serde_json::from_str::<Lines>(r#"[{"sku":"a","quantity":0}]"#).is_err());
        assert!(serde_json::from_str::<Lines>(r#"[{"sku":"a","quantity":-1}]"#).is_err());
        let line = |n: usize| Line {
            sku: format!("sku-{n}").parse().unwrap(),
            quantity: NonZeroU32::MIN,
            unit_price: None,
        };
        assert!(Lines::try_from((0..90).map(line).collect::<Vec<_>>()).is_ok());
        assert!(Lines::try_from((0..91).map(line).collect::<Vec<_>>()).is_err());
        let many = Line {
            quantity: NonZeroU32::MAX,
            ..line(0)
        };
        assert!(Lines::try_from(vec![many.clone(), many]).is_err());
    }
}
