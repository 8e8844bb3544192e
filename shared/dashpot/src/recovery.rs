//! What becomes of a message that was not handled: a pure function.

use std::time::Duration;

use crate::config::{ConfigError, variable};
use crate::failure::Disposition;

/// The policy of one consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// The first delay; it doubles with every attempt. 30 s.
    pub base: Duration,
    /// The longest delay. 15 min.
    pub cap: Duration,
    /// A message that has failed for so long, counted from its first receive, is parked. 6 h.
    pub park_after: Duration,
    /// A type or version that is not known yet is waited for so long: a deployment takes that. 1 h.
    pub not_yet_for: Duration,
    /// A message that made the handler panic is parked on this receive: a bug does not heal by waiting. 5.
    pub panics: u32,
}

/// SQS lets a message be invisible for at most 12 hours, counted from its receive.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_mins(12 * 60 - 1);

impl Default for Recovery {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(30),
            cap: Duration::from_mins(15),
            park_after: Duration::from_hours(6),
            not_yet_for: Duration::from_hours(1),
            panics: 5,
        }
    }
}

/// Why a message was not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It cannot be read, and never will.
    Malformed,
    /// Its type or version is not known here, yet.
    NotYetKnown,
    /// The handler said so.
    Failed(Disposition),
    /// The handler panicked.
    Panicked,
    /// The handler was still at it when the invocation's time ended.
    OutOfTime,
    /// It ran alone three times, and each time the process ended without a word.
    Killer,
    /// An effect outside may have happened, and nobody can be asked.
    UnknownOutcome,
}

/// What becomes of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It comes back after so long, in whole seconds.
    Delay(Duration),
    /// It goes to the dead-letter queue.
    Park(Reason),
}

/// Why a message lies in the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It cannot be read.
    Malformed,
    /// The handler said that no try will ever help.
    Permanent,
    /// It failed for longer than the policy waits.
    Expired,
    /// Its type or version was not known for longer than a deployment takes.
    NotYetKnown,
    /// It makes the handler panic.
    Panic,
    /// It ends the process.
    Killer,
    /// An effect outside may have happened: somebody has to look.
    UnknownOutcome,
}

impl Reason {
    /// The word for it in the dead-letter queue and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Permanent => "permanent",
            Self::Expired => "expired",
            Self::NotYetKnown => "not_yet_known",
            Self::Panic => "panic",
            Self::Killer => "killer",
            Self::UnknownOutcome => "unknown_outcome",
        }
    }
}

impl Recovery {
    /// Reads `RETRY_BASE_SECONDS`, `RETRY_CAP_SECONDS`, `PARK_AFTER_SECONDS` and `NOT_YET_SECONDS`; what is
    /// not set has its default.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable that is no whole number of seconds.
    pub fn from_env() -> Result<Self, ConfigError> {
        let seconds = |name: &'static str, default: Duration| match variable(name) {
            Err(_) => Ok(default),
            Ok(text) => text
                .parse()
                .map(Duration::from_secs)
                .map_err(|_| ConfigError::new(name, "a whole number of seconds")),
        };
        let default = Self::default();
        Ok(Self {
            base: seconds("RETRY_BASE_SECONDS", default.base)?,
            cap: seconds("RETRY_CAP_SECONDS", default.cap)?,
            park_after: seconds("PARK_AFTER_SECONDS", default.park_after)?,
            not_yet_for: seconds("NOT_YET_SECONDS", default.not_yet_for)?,
            panics: default.panics,
        })
    }

    /// Decides. `attempt` counts receives, this one included; `age` runs from the first receive; `jitter` is
    /// a random number in `0.0..1.0`.
    #[must_use]
    pub fn decide(&self, problem: Problem, attempt: u32, age: Duration, jitter: f64) -> Verdict {
        let retry_within = |patience: Duration, reason: Reason| {
            if age >= patience {
                Verdict::Park(reason)
            } else {
                Verdict::Delay(self.delay(attempt, jitter))
            }
        };
        match problem {
            Problem::Malformed => Verdict::Park(Reason::Malformed),
            Problem::Killer => Verdict::Park(Reason::Killer),
            Problem::UnknownOutcome => Verdict::Park(Reason::UnknownOutcome),
            Problem::Failed(Disposition::Permanent) => Verdict::Park(Reason::Permanent),
            Problem::Panicked if attempt >= self.panics => Verdict::Park(Reason::Panic),
            Problem::Panicked => retry_within(self.park_after, Reason::Panic),
            Problem::NotYetKnown => retry_within(self.not_yet_for, Reason::NotYetKnown),
            Problem::Failed(Disposition::Retry) | Problem::OutOfTime => {
                retry_within(self.park_after, Reason::Expired)
            }
            Problem::Failed(Disposition::RetryAfter(_)) if age >= self.park_after => {
                Verdict::Park(Reason::Expired)
            }
            Problem::Failed(Disposition::RetryAfter(after)) => {
                Verdict::Delay(whole_seconds(after.min(LONGEST_DELAY)))
            }
        }
    }

    /// Exponential backoff with equal jitter: half of it certain, half of it random, so that an outage's
    /// messages neither come back together nor burn their receives.
    pub(crate) fn delay(&self, attempt: u32, jitter: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let full = self
            .base
            .saturating_mul(doubled)
            .min(self.cap)
            .min(LONGEST_DELAY);
        whole_seconds(full / 2 + (full / 2).mul_f64(jitter.clamp(0.0, 1.0)))
    }
}

/// Visibility is set in whole seconds; zero would bring the message back at once.
pub(crate) fn whole_seconds(delay: Duration) -> Duration {
    let up = u64::from(delay.subsec_nanos() > 0);
    Duration::from_secs((delay.as_secs() + up).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Problem::{Failed, Killer, Malformed, NotYetKnown, OutOfTime, Panicked, UnknownOutcome};
    use Verdict::{Delay, Park};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn every_problem_has_its_verdict() {
        let (young, hours) = (seconds(60), Duration::from_hours);
        let retry = Failed(Disposition::Retry);
        let after = |n| Failed(Disposition::RetryAfter(seconds(n)));
        let table = [
            (Malformed, 1, young, Park(Reason::Malformed)),
            (Killer, 6, young, Park(Reason::Killer)),
            (UnknownOutcome, 2, young, Park(Reason::UnknownOutcome)),
            (
                Failed(Disposition::Permanent),
                1,
                young,
                Park(Reason::Permanent),
            ),
            (retry, 1, young, Delay(seconds(15))),
            (retry, 2, young, Delay(seconds(30))),
            (retry, 6, young, Delay(seconds(450))),
            (retry, 4_000_000, young, Delay(seconds(450))),
            (retry, 9, seconds(6 * 3600 - 1), Delay(seconds(450))),
            (retry, 2, hours(6), Park(Reason::Expired)),
            (OutOfTime, 2, young, Delay(seconds(30))),
            (OutOfTime, 2, hours(6), Park(Reason::Expired)),
            (after(7), 40, young, Delay(seconds(7))),
            (after(0), 1, young, Delay(seconds(1))),
            (after(1_000_000), 1, young, Delay(LONGEST_DELAY)),
            (after(7), 40, hours(6), Park(Reason::Expired)),
            (NotYetKnown, 3, young, Delay(seconds(60))),
            (NotYetKnown, 3, hours(1), Park(Reason::NotYetKnown)),
            (Panicked, 4, young, Delay(seconds(120))),
            (Panicked, 5, young, Park(Reason::Panic)),
        ];
        for (problem, attempt, age, verdict) in table {
            let decided = Recovery::default().decide(problem, attempt, age, 0.0);
            assert_eq!(
                decided, verdict,
                "{problem:?} at attempt {attempt}, {age:?}"
            );
        }
    }

    #[test]
    fn jitter_moves_the_delay_between_half_and_all_of_it() {
        let delay =
            |jitter| Recovery::default().decide(Failed(Disposition::Retry), 3, seconds(1), jitter);
        assert_eq!(delay(0.0), Delay(seconds(60)));
        assert_eq!(delay(0.5), Delay(seconds(90)));
        assert_eq!(delay(1.0), Delay(seconds(120)));
    }
}
