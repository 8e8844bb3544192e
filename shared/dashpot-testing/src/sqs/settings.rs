//! What a queue is created with.

use std::time::Duration;

use dashpot::Clock;

use super::error::SqsError;

const SECOND: Duration = Duration::from_secs(1);

/// The attributes of a queue, with SQS's own defaults.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// At most 80 letters, digits, hyphens and underscores; a FIFO queue's name ends with `.fifo`.
    pub name: String,
    /// How long a received message is hidden: at most 12 h; 30 s by default.
    pub visibility_timeout: Duration,
    /// Whether messages of a group come in order, and each deduplication id once in five minutes.
    pub fifo: bool,
    /// How long a message is kept: a minute to 14 days; 4 days by default.
    pub retention: Duration,
    /// How long each message is hidden at first: at most 15 minutes; none by default.
    pub delay: Duration,
    /// Whether a standard queue hands out messages in any order, which it is free to do. The order is that of
    /// [`fastrand`]'s thread generator. By default the oldest comes first.
    pub shuffled: bool,
    /// What shows the time of day; tokio's clock carries it on.
    pub clock: Clock,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            name: "queue".to_owned(),
            visibility_timeout: Duration::from_secs(30),
            fifo: false,
            retention: Duration::from_hours(4 * 24),
            delay: Duration::ZERO,
            shuffled: false,
            clock: Clock::system(),
        }
    }
}

impl QueueSettings {
    /// A standard queue of that name.
    pub fn standard(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// A FIFO queue of that name, which ends with `.fifo`.
    pub fn fifo(name: impl Into<String>) -> Self {
        Self {
            fifo: true,
            ..Self::standard(name)
        }
    }

    /// What `CreateQueue` refuses.
    pub(super) fn check(&self) -> Result<(), SqsError> {
        let invalid = |what: &str| Err(SqsError::InvalidAttributeValue(what.to_owned()));
        let stem = self.name.strip_suffix(".fifo");
        if stem.is_some() != self.fifo {
            return invalid("the name of a FIFO queue, and of no other, ends with .fifo");
        }
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let stem = stem.unwrap_or(&self.name);
        if stem.is_empty() || self.name.len() > 80 || !stem.chars().all(letter) {
            return invalid("a queue's name is 1 to 80 letters, digits, hyphens and underscores");
        }
        let within = |duration: Duration, least: Duration, most: Duration| {
            (least..=most).contains(&duration) && duration.subsec_nanos() == 0
        };
        if !within(self.visibility_timeout, Duration::ZERO, SECOND * 43_200) {
            return invalid("VisibilityTimeout is 0 to 43200 seconds");
        }
        if !within(self.retention, SECOND * 60, SECOND * 1_209_600) {
            return invalid("MessageRetentionPeriod is 60 to 1209600 seconds");
        }
        if !within(self.delay, Duration::ZERO, SECOND * 900) {
            return invalid("DelaySeconds is 0 to 900");
        }
        if self.fifo && self.shuffled {
            return invalid("a FIFO queue keeps the order");
        }
        Ok(())
    }
}
