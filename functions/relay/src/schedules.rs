//! The port to what keeps commands for longer than a queue can, and `EventBridge` Scheduler behind it.

use std::collections::BTreeMap;
use std::future::Future;

use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::ProvideErrorMetadata;
use aws_sdk_scheduler::primitives::{DateTime, DateTimeFormat};
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, Target,
};
use dashpot::{ConfigError, chain, variable};

use crate::fate::Fate;
use crate::outbox::Event;

/// Keeps commands until they are due.
pub trait Schedules: Send + Sync {
    /// Keeps a command for the queue of that logical name, under a name that nothing else has; what has it already is the
    /// same command.
    fn create(
        &self,
        name: &str,
        to: &str,
        command: &Event<'_>,
        due: u64,
    ) -> impl Future<Output = Fate> + Send;

    /// Forgets what has that name; nothing where nothing has it.
    fn delete(&self, name: &str) -> impl Future<Output = Fate> + Send;
}

/// One-time schedules, each of which deletes itself.
///
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>. A command arrives without message
/// attributes: its envelope is all that a consumer reads.
#[derive(Debug, Clone)]
pub struct Scheduler {
    client: Client,
    group: String,
    role: String,
    dead_letters: String,
    queues: BTreeMap<String, String>,
}

impl Scheduler {
    /// The group that `SCHEDULE_GROUP` names, with the role that `SCHEDULE_ROLE_ARN` names, which sends to the queues that
    /// `SCHEDULED_QUEUES` names, as `deadlines=arn:…`; what it cannot send it leaves in the queue that
    /// `SCHEDULE_DEAD_LETTERS_ARN` names.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable is not set, or of another form.
    pub fn from_env(config: &SdkConfig) -> Result<Self, ConfigError> {
        let queues = variable("SCHEDULED_QUEUES")?;
        let queues = queues.split(',').filter(|entry| !entry.is_empty());
        let queues = queues.map(|entry| match entry.split_once('=') {
            Some((name, arn)) if !name.is_empty() && arn.starts_with("arn:") => {
                Ok((name.to_owned(), arn.to_owned()))
            }
            _ => Err(ConfigError::new("SCHEDULED_QUEUES", "name=ARN,name=ARN")),
        });
        Ok(Self {
            client: Client::new(config),
            group: variable("SCHEDULE_GROUP")?,
            role: variable("SCHEDULE_ROLE_ARN")?,
            dead_letters: variable("SCHEDULE_DEAD_LETTERS_ARN")?,
            queues: queues.collect::<Result<_, _>>()?,
        })
    }
}

impl Schedules for Scheduler {
    async fn create(&self, name: &str, to: &str, command: &Event<'_>, due: u64) -> Fate {
        let Some(arn) = self.queues.get(to) else {
            return unknown(to);
        };
        let Some(at) = at(due) else {
            return Fate::Unpublishable(format!("{due} is no time that a schedule can have"));
        };
        let dead_letters = DeadLetterConfig::builder().arn(&self.dead_letters).build();
        let target = Target::builder()
            .arn(arn)
            .role_arn(&self.role)
            .input(command.body.as_ref())
            .dead_letter_config(dead_letters)
            .build();
        let window = FlexibleTimeWindow::builder()
            .mode(FlexibleTimeWindowMode::Off)
            .build();
        let (Ok(target), Ok(window)) = (target, window) else {
            return Fate::Failed("the schedule cannot be described".to_owned());
        };
        let create = self
            .client
            .create_schedule()
            .name(name)
            .group_name(&self.group)
            .schedule_expression(at)
            .target(target)
            .flexible_time_window(window)
            .action_after_completion(ActionAfterCompletion::Delete);
        match create.send().await {
            Ok(_) => Fate::Published,
            Err(error) => match error.code() {
                // It was created before, and its answer lost.
                Some("ConflictException") => Fate::Published,
                Some("ValidationException") => Fate::Unpublishable(chain(&error)),
                _ => Fate::Failed(chain(&error)),
            },
        }
    }

    async fn delete(&self, name: &str) -> Fate {
        let delete = self
            .client
            .delete_schedule()
            .name(name)
            .group_name(&self.group);
        match delete.send().await {
            Ok(_) => Fate::Published,
            Err(error) => match error.code() {
                // It was due, or deleted before.
                Some("ResourceNotFoundException") => Fate::Published,
                Some("ValidationException") => Fate::Unpublishable(chain(&error)),
                _ => Fate::Failed(chain(&error)),
            },
        }
    }
}

/// What becomes of a command for a queue that nothing can be scheduled for.
#[must_use]
pub fn unknown(to: &str) -> Fate {
    Fate::Unpublishable(format!(
        "it is scheduled for the queue {to:?}, and SCHEDULED_QUEUES names no such queue"
    ))
}

/// The moment as a schedule's expression, rounded up to the second: `at(2026-11-24T13:00:00)`, in UTC.
fn at(due: u64) -> Option<String> {
    let seconds = i64::try_from(due.div_ceil(1000)).ok()?;
    let time = DateTime::from_secs(seconds)
        .fmt(DateTimeFormat::DateTime)
        .ok()?;
    Some(format!("at({})", time.trim_end_matches('Z')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rounded_up_to_the_second() {
        let noon = Some("at(2024-11-24T12:00:00)".to_owned());
        assert_eq!(at(1_732_449_600_000), noon);
        assert_eq!(at(1_732_449_599_001), noon);
        assert_eq!(at(u64::MAX), None);
    }
}
