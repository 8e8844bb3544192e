//! Rows and what is done to them, in words that any transactional store understands.

use std::collections::BTreeMap;

/// The attributes of a row, by name; keys included when it was read from a store.
pub type Item = BTreeMap<String, Value>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    S(String),
    /// An integer.
    N(i64),
    /// A truth value.
    Bool(bool),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(Item),
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::S(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::N(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::S(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::S(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::N(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::N(number.into())
    }
}

/// Saturates above `i64::MAX`, which no amount, count or time here comes near.
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::N(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl From<Item> for Value {
    fn from(item: Item) -> Self {
        Self::Map(item)
    }
}

/// Where a row lies: partition key `pk` and sort key `sk`, which is `-` where a partition holds one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    /// The key of the only row of its partition.
    pub fn new(pk: impl Into<String>) -> Self {
        Self::of(pk, "-")
    }

    /// The key of one of several rows of a partition.
    pub fn of(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            sk: sk.into(),
        }
    }
}

/// A whole row: its key and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it lies.
    pub key: Key,
    /// What it says, without the key.
    pub attributes: Item,
}

impl Row {
    /// A row that says nothing yet.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self {
            key,
            attributes: Item::new(),
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }
}

/// One change of one row, with the condition under which it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Writes a whole row.
    Put {
        /// The row.
        row: Row,
        /// When.
        when: Condition,
    },
    /// Changes attributes of a row, which comes into being if it is absent.
    Update {
        /// Which row.
        key: Key,
        /// What changes; at least one.
        changes: Vec<Change>,
        /// When.
        when: Condition,
    },
    /// Removes a row.
    Delete {
        /// Which row.
        key: Key,
        /// When.
        when: Condition,
    },
    /// Changes nothing, and holds the transaction to a condition.
    Check {
        /// Which row.
        key: Key,
        /// What must hold.
        when: Condition,
    },
}

/// A change of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The attribute becomes the value.
    Set(String, Value),
    /// The number grows by so much; an absent one counts as 0.
    Add(String, i64),
    /// The attribute goes.
    Remove(String),
}

impl Change {
    pub(crate) fn attribute(&self) -> &str {
        let (Self::Set(name, _) | Self::Add(name, _) | Self::Remove(name)) = self;
        name
    }
}

/// What must be true of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// There is no such row.
    Absent,
    /// There is such a row.
    Present,
    /// The row has no such attribute (or is absent).
    Missing(String),
    /// The attribute is the value.
    Equals(String, Value),
    /// The attribute is a number not below.
    AtLeast(String, i64),
    /// The attribute is a number below.
    Below(String, i64),
    /// All of them.
    All(Vec<Condition>),
    /// One of them at least.
    Any(Vec<Condition>),
}

impl Condition {
    /// The attribute is the value.
    pub fn equals(name: &str, value: impl Into<Value>) -> Self {
        Self::Equals(name.to_owned(), value.into())
    }

    /// The attribute is one of the values.
    pub fn one_of<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Any(
            values
                .into_iter()
                .map(|value| Self::equals(name, value))
                .collect(),
        )
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::All(vec![self, other])
    }

    /// Whether it holds whatever the row says.
    #[must_use]
    pub fn is_always(&self) -> bool {
        match self {
            Self::Always => true,
            Self::All(all) => all.iter().all(Self::is_always),
            Self::Any(any) => any.iter().any(Self::is_always),
            _ => false,
        }
    }

    /// Whether it holds of a row, or of there being none. What every store must agree with.
    #[must_use]
    pub fn holds(&self, row: Option<&Item>) -> bool {
        let attribute = |name: &str| row.and_then(|item| item.get(name));
        let number = |name: &str| attribute(name).and_then(Value::as_i64);
        match self {
            Self::Always => true,
            Self::Absent => row.is_none(),
            Self::Present => row.is_some(),
            Self::Missing(name) => attribute(name).is_none(),
            Self::Equals(name, value) => attribute(name) == Some(value),
            Self::AtLeast(name, bound) => number(name).is_some_and(|n| n >= *bound),
            Self::Below(name, bound) => number(name).is_some_and(|n| n < *bound),
            Self::All(all) => all.iter().all(|condition| condition.holds(row)),
            Self::Any(any) => any.iter().any(|condition| condition.holds(row)),
        }
    }
}

impl Write {
    /// Writes a whole row, whatever was there.
    #[must_use]
    pub fn put(row: Row) -> Self {
        Self::Put {
            row,
            when: Condition::Always,
        }
    }

    /// Writes a whole row if there is none.
    #[must_use]
    pub fn create(row: Row) -> Self {
        Self::put(row).when(Condition::Absent)
    }

    /// Changes a row: follow with [`set`](Self::set), [`add`](Self::add), [`remove`](Self::remove).
    #[must_use]
    pub fn update(key: Key) -> Self {
        Self::Update {
            key,
            changes: Vec::new(),
            when: Condition::Always,
        }
    }

    /// Removes a row.
    #[must_use]
    pub fn delete(key: Key) -> Self {
        Self::Delete {
            key,
            when: Condition::Always,
        }
    }

    /// Holds the transaction to a condition on a row that it does not change.
    #[must_use]
    pub fn check(key: Key, when: Condition) -> Self {
        Self::Check { key, when }
    }

    /// Only under this condition; replaces an earlier one.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        match &mut self {
            Self::Put { when, .. }
            | Self::Update { when, .. }
            | Self::Delete { when, .. }
            | Self::Check { when, .. } => *when = condition,
        }
        self
    }

    /// An attribute becomes a value.
    #[must_use]
    pub fn set(self, name: &str, value: impl Into<Value>) -> Self {
        self.change(Change::Set(name.to_owned(), value.into()))
    }

    /// A number grows by so much, or shrinks.
    #[must_use]
    pub fn add(self, name: &str, amount: i64) -> Self {
        self.change(Change::Add(name.to_owned(), amount))
    }

    /// An attribute goes.
    #[must_use]
    pub fn remove(self, name: &str) -> Self {
        self.change(Change::Remove(name.to_owned()))
    }

    fn change(mut self, change: Change) -> Self {
        match &mut self {
            Self::Update { changes, .. } => changes.push(change),
            Self::Put { row, .. } => match change {
                Change::Set(name, value) => drop(row.attributes.insert(name, value)),
                Change::Add(name, amount) => drop(row.attributes.insert(name, amount.into())),
                Change::Remove(name) => drop(row.attributes.remove(&name)),
            },
            Self::Delete { .. } | Self::Check { .. } => {}
        }
        self
    }

    /// Whether a store could do it at all, whatever the row says.
    ///
    /// # Errors
    /// What is wrong: an update that changes nothing, a key, or one attribute twice; a check of nothing.
    pub fn validate(&self) -> Result<(), String> {
        let changes = match self {
            Self::Update { changes, .. } => changes,
            Self::Check { when, .. } if when.is_always() => {
                return Err("a check without a condition".into());
            }
            _ => return Ok(()),
        };
        if changes.is_empty() {
            return Err("an update changes nothing".into());
        }
        for (at, name) in changes.iter().map(Change::attribute).enumerate() {
            if name == "pk" || name == "sk" {
                return Err("an update changes a key".into());
            }
            if changes[..at]
                .iter()
                .any(|change| change.attribute() == name)
            {
                return Err(format!("an update changes `{name}` twice"));
            }
        }
        Ok(())
    }

    /// Which row.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { row, .. } => &row.key,
            Self::Update { key, .. } | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }

    /// Under which condition.
    #[must_use]
    pub fn condition(&self) -> &Condition {
        match self {
            Self::Put { when, .. }
            | Self::Update { when, .. }
            | Self::Delete { when, .. }
            | Self::Check { when, .. } => when,
        }
    }

    /// Whether doing it twice could differ from doing it once, when an answer was lost.
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(self, Self::Update { changes, .. }
            if changes.iter().any(|change| matches!(change, Change::Add(..))))
    }
}
