//! What became of a message, and what is told about it.

use std::time::Duration;

use crate::decode::{FromMessage, Undecodable, content_id};
use crate::message::Message;
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
    pub(crate) fn of<E: FromMessage>(message: &Message<'_>, event: &E, now: u64) -> Self {
        let metadata = event.metadata();
        let dwell = metadata
            .filter(|metadata| metadata.timestamp > 0)
            .map(|metadata| now.saturating_sub(metadata.timestamp));
        let event_id = metadata.map_or_else(
            || content_id(&message.content()),
            |metadata| metadata.id.clone(),
        );
        Self {
            event_id: Some(event_id),
            event_type: event.event_type().map(str::to_owned),
            correlation_id: metadata.map(|metadata| metadata.correlation_id.clone()),
            dwell_millis: dwell,
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
