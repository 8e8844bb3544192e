//! The one place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The wall clock of one invocation: read once, and carried on by the monotonic clock.
///
/// Within an invocation time never jumps, and a paused tokio clock pauses it too: a test that advances one has
/// advanced both. A frozen process must read it anew, hence one an invocation.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    millis: u64,
    since: Instant,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        let millis = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            .unwrap_or_default();
        Self::at(millis)
    }

    /// A clock that shows `millis` now, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn at(millis: u64) -> Self {
        Self {
            millis,
            since: Instant::now(),
        }
    }

    /// Now, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.when(Instant::now())
    }

    /// What it shows at a moment.
    pub(crate) fn when(&self, moment: Instant) -> u64 {
        let passed = moment.saturating_duration_since(self.since).as_millis();
        self.millis
            .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

/// Now, by the system's clock, in milliseconds since the Unix epoch: for the edges of the system.
#[must_use]
pub fn now() -> u64 {
    Clock::system().now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_goes_as_tokios_does() {
        let clock = Clock::at(1_732_464_000_000);
        tokio::time::advance(Duration::from_hours(3)).await;
        assert_eq!(clock.now(), 1_732_464_000_000 + 3 * 3_600_000);
    }
}
