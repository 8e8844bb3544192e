//! What a handler decides: writes, events, and what to do when a condition does not hold.

use std::fmt;

use dashpot_envelope::Event;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::row::{Item, Key, Row, Write};
use crate::store::Refusal;

type Otherwise = Box<dyn FnOnce(Refused) -> Result<Effects, Failure> + Send>;

/// The effects of one message, committed in one transaction together with the proof that it was handled.
///
/// A plain value: a handler is tested by looking at what it returns.
#[derive(Default)]
pub struct Effects {
    pub(crate) once: Option<Row>,
    pub(crate) writes: Vec<Write>,
    pub(crate) emits: Vec<Emit>,
    pub(crate) settles: Option<&'static str>,
    pub(crate) otherwise: Option<Otherwise>,
}

impl Effects {
    /// Nothing at all: the message is acknowledged without a round trip.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Puts the row if there is none: a natural key, which stands in for the inbox marker.
    ///
    /// The row gets the attribute `cause`, the event's id. A row of the same cause means that the message
    /// was handled before: it is acknowledged. A row of another cause is a refusal.
    #[must_use]
    pub fn once(mut self, row: Row) -> Self {
        self.once = Some(row);
        self
    }

    /// Adds a write.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds writes.
    #[must_use]
    pub fn writes(mut self, writes: impl IntoIterator<Item = Write>) -> Self {
        self.writes.extend(writes);
        self
    }

    /// Says an event, through the outbox.
    #[must_use]
    pub fn emit<T: Event>(mut self, event: &T) -> Self {
        self.emits.push(Emit::new(event));
        self
    }

    /// Sends a command to the queue of that logical name, through the outbox.
    ///
    /// An event is for whoever wants to know; a command is for one receiver, whom the sender knows. It travels in
    /// the same envelope, so its receiver reads it as it reads an event, and its `metadata.id` is the idempotency
    /// key. It is committed with the state that it follows from, and sent at least once.
    ///
    /// ```
    /// use dashpot::{Effects, Event};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct WriteInvoice { order: String }
    /// impl Event for WriteInvoice {
    ///     const TYPE: &'static str = "invoice.write"; // an imperative, as events are facts
    ///     const VERSION: u32 = 1;
    ///     fn subject(&self) -> &str { &self.order }
    ///     fn group(&self) -> &str { &self.order }
    /// }
    ///
    /// let effects = Effects::none().command("invoices", &WriteInvoice { order: "123".into() });
    /// assert_eq!(effects.commanded(), [("invoices", "invoice.write")]);
    /// ```
    #[must_use]
    pub fn command<T: Event>(self, to: impl Into<String>, command: &T) -> Self {
        self.send(command, Way::to(to))
    }

    /// Sends a command that arrives at a time, in milliseconds since the Unix epoch; at once where that is over. Nobody
    /// can take it back: its receiver looks whether it still matters.
    ///
    /// Up to 15 minutes ahead it waits in its queue (`DelaySeconds`), which must be a standard one; beyond that, with
    /// `EventBridge` Scheduler.
    #[must_use]
    pub fn command_at<T: Event>(self, to: impl Into<String>, command: &T, due: u64) -> Self {
        let due = Some(due);
        let way = Way { due, ..Way::to(to) };
        self.send(command, way)
    }

    /// The same with a name, under which it can be [taken back](Self::unschedule): 1 to 64 of A-Z a-z 0-9 - _ . It waits
    /// with `EventBridge` Scheduler, which is right to the minute.
    ///
    /// One that is due may be on its way while it is taken back, and so may one that is taken back at once: its receiver
    /// looks whether it still matters, as for any other.
    #[must_use]
    pub fn schedule<T: Event>(
        self,
        name: impl Into<String>,
        to: impl Into<String>,
        command: &T,
        due: u64,
    ) -> Self {
        let (due, schedule) = (Some(due), Some(name.into()));
        let way = Way {
            due,
            schedule,
            ..Way::to(to)
        };
        self.send(command, way)
    }

    /// Takes back what was [scheduled](Self::schedule) for that queue under that name; nothing where there is none.
    #[must_use]
    pub fn unschedule(mut self, name: impl Into<String>, to: impl Into<String>) -> Self {
        self.emits.push(Emit::unschedule(name.into(), to));
        self
    }

    fn send<T: Event>(mut self, command: &T, way: Way) -> Self {
        let way = Some(way);
        self.emits.push(Emit {
            way,
            ..Emit::new(command)
        });
        self
    }

    /// The state that a claimed row ends in; `done` where nothing is said.
    #[must_use]
    pub fn settle(mut self, state: &'static str) -> Self {
        self.settles = Some(state);
        self
    }

    /// Decides again when a condition did not hold, with the rows as they stand in hand.
    #[must_use]
    pub fn otherwise(
        mut self,
        decide: impl FnOnce(Refused) -> Result<Self, Failure> + Send + 'static,
    ) -> Self {
        self.otherwise = Some(Box::new(decide));
        self
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.once.is_none()
            && self.writes.is_empty()
            && self.emits.is_empty()
            && self.settles.is_none()
    }

    /// For tests: the natural key's row.
    #[must_use]
    pub fn once_row(&self) -> Option<&Row> {
        self.once.as_ref()
    }

    /// For tests: the writes.
    #[must_use]
    pub fn written(&self) -> &[Write] {
        &self.writes
    }

    /// For tests: the names of the events said.
    #[must_use]
    pub fn emitted(&self) -> Vec<&'static str> {
        let said = self.emits.iter().filter(|emit| emit.way.is_none());
        said.map(|emit| emit.event_type).collect()
    }

    /// For tests: the commands sent, each with the queue that it goes to.
    #[must_use]
    pub fn commanded(&self) -> Vec<(&str, &'static str)> {
        let emits = self.emits.iter();
        emits
            .filter_map(|emit| Some((emit.way.as_ref()?.to.as_str(), emit.event_type)))
            .collect()
    }

    /// For tests: when the command of that type arrives; none where it is sent at once, or not at all.
    #[must_use]
    pub fn due(&self, event_type: &str) -> Option<u64> {
        let emit = self.emits.iter().find(|it| it.event_type == event_type)?;
        emit.way.as_ref()?.due
    }

    /// For tests: the payload of the first event or command of that type, read back.
    #[must_use]
    pub fn emitted_payload<T: Event>(&self) -> Option<T> {
        let emit = self.emits.iter().find(|emit| emit.event_type == T::TYPE)?;
        serde_json::from_str(emit.payload.as_ref().ok()?.get()).ok()
    }

    /// For tests: the state that a claimed row ends in.
    #[must_use]
    pub fn settled(&self) -> Option<&'static str> {
        self.settles
    }

    /// For tests: what is decided when these conditions do not hold.
    #[must_use]
    pub fn when_refused(self, refused: Refused) -> Option<Result<Self, Failure>> {
        self.otherwise.map(|decide| decide(refused))
    }
}

/// Rows by their keys alone: what they say may be personal.
impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writes: Vec<&Key> = self.writes.iter().map(Write::key).collect();
        f.debug_struct("Effects")
            .field("once", &self.once.as_ref().map(|row| &row.key))
            .field("writes", &writes)
            .field("emits", &self.emitted())
            .field("commands", &self.commanded())
            .field("settles", &self.settles)
            .field("otherwise", &self.otherwise.is_some())
            .finish()
    }
}

impl From<()> for Effects {
    fn from((): ()) -> Self {
        Self::none()
    }
}

/// An event that is to be said, or a command that is to be sent; it becomes an envelope when it is committed.
#[derive(Debug)]
pub(crate) struct Emit {
    /// Where it goes; none for the topic.
    pub(crate) way: Option<Way>,
    pub(crate) event_type: &'static str,
    pub(crate) version: u32,
    pub(crate) subject: String,
    pub(crate) group: String,
    pub(crate) payload: Result<Box<RawValue>, serde_json::Error>,
}

/// Where and when a command goes.
#[derive(Debug)]
pub(crate) struct Way {
    /// The queue's logical name.
    pub(crate) to: String,
    /// When it arrives, in milliseconds since the Unix epoch.
    pub(crate) due: Option<u64>,
    /// The name under which it can be taken back.
    pub(crate) schedule: Option<String>,
    /// It takes back what has that name.
    pub(crate) cancels: bool,
}

impl Way {
    pub(crate) fn to(queue: impl Into<String>) -> Self {
        Self {
            to: queue.into(),
            due: None,
            schedule: None,
            cancels: false,
        }
    }
}

impl Emit {
    pub(crate) fn new<T: Event>(event: &T) -> Self {
        Self {
            way: None,
            event_type: T::TYPE,
            version: T::VERSION,
            subject: event.subject().to_owned(),
            group: event.group().to_owned(),
            payload: serde_json::value::to_raw_value(event),
        }
    }

    fn unschedule(name: String, to: impl Into<String>) -> Self {
        Self {
            way: Some(Way {
                schedule: Some(name.clone()),
                cancels: true,
                ..Way::to(to)
            }),
            event_type: "schedule.cancel",
            version: 1,
            subject: name.clone(),
            group: name,
            payload: serde_json::value::to_raw_value(&serde_json::Map::new()),
        }
    }
}

/// The conditions that did not hold, with the rows as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused(Vec<Refusal>);

impl Refused {
    /// From what the store said.
    #[must_use]
    pub fn new(refusals: Vec<Refusal>) -> Self {
        Self(refusals)
    }

    /// The keys of the refused writes, in the order of the writes.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.iter().map(|refusal| &refusal.key)
    }

    /// The row that stands in the way of a write to this key.
    #[must_use]
    pub fn row(&self, key: &Key) -> Option<&Item> {
        self.0
            .iter()
            .find(|refusal| refusal.key == *key)
            .and_then(|refusal| refusal.row.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rows_say_is_not_printed() {
        let row = |key| Row::new(Key::new(key)).set("email", "ada@example.com");
        let effects = Effects::none()
            .once(row("letter#1"))
            .write(Write::put(row("copy#1")));
        let text = format!("{effects:?}");
        assert!(
            text.contains("letter#1") && text.contains("copy#1"),
            "{text}"
        );
        assert!(!text.contains("ada"), "{text}");
    }
}
