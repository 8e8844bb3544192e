//! Every point at which a scenario can go wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::faults::{Call, Fault, Faults};

/// Where something was made to go wrong, and what: points that are equal are the same place in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrashPoint {
    /// What the process was about: the name of an event, say.
    pub subject: &'static str,
    /// The call, counted within its process.
    pub call: Call,
    /// What went wrong with it; none while calls are only counted.
    pub fault: Option<Fault>,
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call {
            function,
            operation,
            index,
        } = self.call;
        write!(
            f,
            "{function} at {}, call {index} ({operation})",
            self.subject
        )?;
        match self.fault {
            Some(fault) => write!(f, ": {fault:?}"),
            None => Ok(()),
        }
    }
}

/// One run of a scenario, in which one call at most goes wrong. Clones are the same run.
#[derive(Debug, Clone, Default)]
pub struct Trial(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The call that goes wrong, counted over all processes of the run.
    target: Option<(usize, Fault)>,
    calls: Vec<CrashPoint>,
    hit: Option<CrashPoint>,
}

impl Trial {
    /// A new process of the run, about that subject.
    #[must_use]
    pub fn process(&self, function: &'static str, subject: &'static str) -> Faults {
        let trial = self.clone();
        Faults::new(function, move |call| trial.decide(subject, *call))
    }

    /// What went wrong so far.
    #[must_use]
    pub fn hit(&self) -> Option<CrashPoint> {
        self.lock().hit
    }

    fn decide(&self, subject: &'static str, call: Call) -> Option<Fault> {
        let mut state = self.lock();
        let number = state.calls.len();
        let fault = state.target.filter(|(at, _)| *at == number);
        let point = CrashPoint {
            subject,
            call,
            fault: fault.map(|(_, fault)| fault),
        };
        state.calls.push(point);
        if fault.is_some() {
            state.hit = Some(point);
        }
        point.fault
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a scenario once to count its calls, and then once more for each of them and each of the faults. The scenario
/// gets all its processes from the [`Trial`], delivers again what comes back, and panics where something does not hold;
/// it must make the same calls every time up to the one that goes wrong. Returns the distinct points.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use dashpot::{Condition, Key, Store, Write};
/// use dashpot_testing::MemoryStore;
/// use dashpot_testing::fault::{Fault, crash_points};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let points = crash_points(&Fault::each(Duration::from_secs(60)), async |trial| {
///     let table = Arc::new(MemoryStore::new());
///     let counter = || Write::update(Key::new("counter")).add("value", 1).set("by", "order 1")
///         .when(Condition::Missing("by".into()));
///     loop {
///         let process = trial.process("counter", "order.placed");
///         let store = process.store(Arc::clone(&table));
///         // Refused is done: it was counted before.
///         match process.run(store.commit(&[counter()])).await {
///             Ok(Ok(()) | Err(dashpot::CommitError::Refused(_))) => break,
///             _ => continue,
///         }
///     }
///     let row = table.row(&Key::new("counter")).expect("it is there");
///     assert_eq!(row["value"].as_i64(), Some(1), "after {:?}", trial.hit());
/// })
/// .await;
/// assert_eq!(points.len(), 10);
/// # }
/// ```
pub async fn crash_points(
    faults: &[Fault],
    scenario: impl AsyncFn(&Trial),
) -> BTreeSet<CrashPoint> {
    crash_points_where(faults, |_| true, scenario).await
}

/// The same for those calls only that are `wanted`: where several scenarios come by the same places, each of them need
/// not go wrong in every scenario.
pub async fn crash_points_where(
    faults: &[Fault],
    mut wanted: impl FnMut(&CrashPoint) -> bool,
    scenario: impl AsyncFn(&Trial),
) -> BTreeSet<CrashPoint> {
    let counted = Trial::default();
    scenario(&counted).await;
    let calls = std::mem::take(&mut counted.lock().calls);
    let mut points = BTreeSet::new();
    for (at, _) in calls.iter().enumerate().filter(|(_, call)| wanted(call)) {
        for fault in faults {
            let trial = Trial::default();
            trial.lock().target = Some((at, *fault));
            scenario(&trial).await;
            points.extend(trial.hit());
        }
    }
    points
}
