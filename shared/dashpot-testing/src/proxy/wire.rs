use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fault::Fault;

/// A call that is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireCall {
    /// What it asks for: `dynamodb.TransactWriteItems`, `sns.PublishBatch`, `ses POST /v2/email/outbound-emails`,
    /// `POST /v1/payment_intents/*/capture`.
    pub operation: String,
    /// How many calls there were before it. The attempts that an SDK makes at one call are one call.
    pub index: usize,
    /// Which attempt at it this is, from 1.
    pub attempt: usize,
}

/// A request, as it went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What was asked.
    pub call: WireCall,
    /// What was done to it.
    pub fault: Option<Fault>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a caller sees of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Pending,
    /// An answer of this HTTP status.
    Status(u16),
    /// No answer: the connection ended.
    Dropped,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WireCall {
            operation,
            index,
            attempt,
        } = &self.call;
        write!(f, "#{index}.{attempt} {operation}: {}", self.outcome)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("unanswered"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Dropped => f.write_str("dropped"),
        }
    }
}

type Decide = dyn Fn(&WireCall) -> Option<Fault> + Send + Sync;

/// The calls of one process, to however many endpoints, and what goes wrong with them. Clones are the same wire.
#[derive(Clone)]
pub struct Wire(Arc<Shared>);

struct Shared {
    decide: Box<Decide>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    /// Index of each call that an SDK has given an id, with its attempts so far.
    attempts: BTreeMap<String, (usize, usize)>,
    calls: usize,
    kill: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Wire {
    /// A wire on which that goes wrong which `decide` says.
    pub fn new(decide: impl Fn(&WireCall) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            decide: Box::new(decide),
            state: Mutex::default(),
        }))
    }

    /// How the process is killed, by a fault that [kills](Fault::kills).
    pub fn kills_by(&self, kill: impl Fn() + Send + Sync + 'static) {
        self.state().kill = Some(Arc::new(kill));
    }

    /// The requests so far, in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How many calls there were; attempts at the same one are not counted again.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// Takes note of a request: its place among all, and what is to go wrong with it. `id` is what an SDK calls all
    /// attempts at one call.
    pub(super) fn begin(&self, operation: String, id: Option<&str>) -> (usize, Option<Fault>) {
        let mut state = self.state();
        let fresh = state.calls;
        let (index, attempt) = match id {
            Some(id) => {
                let entry = state.attempts.entry(id.to_owned()).or_insert((fresh, 0));
                entry.1 += 1;
                *entry
            }
            None => (fresh, 1),
        };
        state.calls += usize::from(index == fresh);
        let call = WireCall {
            operation,
            index,
            attempt,
        };
        let fault = (self.0.decide)(&call);
        state.seen.push(Seen {
            call,
            fault,
            outcome: Outcome::Pending,
        });
        (state.seen.len() - 1, fault)
    }

    pub(super) fn end(&self, place: usize, outcome: Outcome) {
        self.state().seen[place].outcome = outcome;
    }

    /// A fault that this service cannot have did not happen.
    pub(super) fn forget_fault(&self, place: usize) {
        self.state().seen[place].fault = None;
    }

    pub(super) fn kill(&self) {
        let kill = self.state().kill.clone();
        if let Some(kill) = kill {
            kill();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("seen", &self.seen())
            .finish_non_exhaustive()
    }
}
