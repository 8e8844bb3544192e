use std::fmt;

use serde::{Deserialize, Serialize};

/// Something about a person (an address, a name, an e-mail): it travels, but no log, error or trace can print it.
///
/// ```
/// let email = dashpot_envelope::Personal::new("ada@example.com".to_owned());
/// assert_eq!(format!("{email:?}"), "[personal]");
/// assert_eq!(email.expose(), "ada@example.com");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that has to use it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}
