//! The environment, read once at start.

use std::fmt;

/// A variable of the environment is missing, or is not what it should be.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    name: &'static str,
    expected: &'static str,
}

impl ConfigError {
    /// The variable `name` should hold `expected`: "a whole number of seconds".
    #[must_use]
    pub fn new(name: &'static str, expected: &'static str) -> Self {
        Self { name, expected }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the environment variable {} must be set to {}",
            self.name, self.expected
        )
    }
}

/// The same words: an error that ends `main` is printed by its `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

/// Reads a variable that must be set.
///
/// # Errors
/// [`ConfigError`] names it when it is missing or empty.
pub fn variable(name: &'static str) -> Result<String, ConfigError> {
    std::env::var(name)
        .ok()
        .filter(|text| !text.is_empty())
        .ok_or(ConfigError::new(name, "a value"))
}
