//! What became of a message, and what is told about it.

use std::time::Duration;

use crate::decode::{FromMessage, Undecodable};
use crate::recovery::Reason;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Duplicate,
    Parked(Reason),
    /// It comes back after so long.
    Delayed(Duration),
    /// It comes back when its visibility time-out ends.
    Returned,
}

impl Fate {
    pub(crate) fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Duplicate | Self::Parked(_))
    }
}

/// A message's fate, and what is told about it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) fate: Fate,
    pub(crate) detail: String,
    pub(crate) subject: Subject,
    pub(crate) handler_millis: Option<u64>,
}

/// What is told about a message.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    pub(crate) event_id: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) dwell_millis: Option<u64>,
}

impl Subject {
    /// What is told of an event: its ids are given in the end, by the context that the handler had.
    pub(crate) fn of<E: FromMessage>(event: &E, now: u64) -> Self {
        let happened = event.metadata().map(|metadata| metadata.timestamp);
        Self {
            event_type: event.event_type().map(str::to_owned),
            dwell_millis: happened
                .filter(|&timestamp| timestamp > 0)
                .map(|timestamp| now.saturating_sub(timestamp)),
            ..Self::default()
        }
    }

    pub(crate) fn outcome(self, fate: Fate, detail: String) -> Outcome {
        Outcome {
            fate,
            detail,
            subject: self,
            handler_millis: None,
        }
    }
}

impl From<&Undecodable> for Subject {
    fn from(undecodable: &Undecodable) -> Self {
        Self {
            event_id: undecodable.event_id.clone(),
            event_type: undecodable.event_type.clone(),
            correlation_id: undecodable.correlation_id.clone(),
            dwell_millis: None,
        }
    }
}
