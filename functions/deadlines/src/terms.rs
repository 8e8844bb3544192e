//! The times, each since the order was placed.

use std::time::Duration;

use dashpot::{ConfigError, variable};

/// When what happens to an order that is not finished.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Then it is late.
    pub late_after: Duration,
    /// Then it is given up, if its money is still only held.
    pub abandon_after: Duration,
    /// Who hears of one that is late: [`telemetry`](crate::telemetry).
    pub log: fn(&str),
}

impl Terms {
    /// The times in `LATE_AFTER_SECONDS` and `ABANDON_AFTER_SECONDS`.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable is no number of seconds.
    pub fn from_env() -> Result<Self, ConfigError> {
        let seconds = |name| {
            let seconds = variable(name)?.parse().map(Duration::from_secs);
            seconds.map_err(|_| ConfigError::new(name, "a whole number of seconds"))
        };
        Ok(Self {
            late_after: seconds("LATE_AFTER_SECONDS")?,
            abandon_after: seconds("ABANDON_AFTER_SECONDS")?,
            log: |line| println!("{line}"),
        })
    }
}
