//! The fields of a form, or of a query: `amount=999&metadata[order_id]=…`.

use super::refusal::{self, Refusal};

/// Names and values as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn parse(encoded: &[u8]) -> Self {
        // Sorted: a repeat may name its fields in another order.
        let mut fields: Vec<_> = form_urlencoded::parse(encoded).into_owned().collect();
        fields.sort();
        Self(fields)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| refusal::missing_field(name))
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        self.get(name)
            .map(|text| number(text).ok_or_else(|| refusal::no_integer(name, text)))
            .transpose()
    }

    /// The fields `name[…]`, by what stands in the brackets.
    pub(super) fn map<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(field, value)| {
            let key = field
                .strip_prefix(name)?
                .strip_prefix('[')?
                .strip_suffix(']')?;
            Some((key, value.as_str()))
        })
    }

    /// Refuses what the operation does not know.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let unknown = |field: &&(String, String)| {
            let name = field.0.split('[').next().unwrap_or_default();
            !known.contains(&name)
        };
        self.0
            .iter()
            .find(unknown)
            .map_or(Ok(()), |(name, _)| Err(refusal::unknown_field(name)))
    }

    /// Whether the answer's `property` is wanted as an object, not as an id.
    pub(super) fn expands(&self, property: &str) -> Result<bool, Refusal> {
        let mut expanded = false;
        for (_, value) in self.map("expand") {
            if value != property {
                return Err(refusal::no_expansion(value));
            }
            expanded = true;
        }
        Ok(expanded)
    }
}
