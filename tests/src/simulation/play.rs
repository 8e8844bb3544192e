//! Carries a plan out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashpot_testing::fault::{Call, Fault, Faults};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::plan::{Plan, Step};
use crate::shop::Shop;
use crate::shop::mishaps::Mishaps;

/// Longer than any story: a call that never gets an answer.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// How long everything may take to come to rest.
const PATIENCE: Duration = Duration::from_hours(4 * 24);

/// How often a customer looks at an order while there is no answer: for longer than any outage.
const LOOKS: usize = 1000;

/// How often the dead letters are looked at before somebody has to.
const REPLAYS: usize = 3;

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// What does not hold.
    pub violations: Vec<String>,
    /// The same for runs in which the same happened in the same order at the same time.
    pub trace: u64,
    /// How many calls were made.
    pub calls: usize,
    /// How many of them went wrong.
    pub mishaps: usize,
    /// How long it took, in virtual time.
    pub lasted: Duration,
}

/// A plan while it is carried out.
struct Stage {
    plan: Plan,
    beginning: Instant,
    attempts: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: BTreeMap<&'static str, usize>,
    deletes: BTreeMap<&'static str, usize>,
    mishaps: usize,
    trace: u64,
    /// When the last request arrives that is on its way.
    arrives: Duration,
}

impl State {
    /// FNV-1a.
    fn note(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.trace = (self.trace ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Stage {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, call: &Call) -> Option<Fault> {
        let now = self.beginning.elapsed();
        let mut state = self.lock();
        let count = state.calls.entry(call.function).or_default();
        let number = *count;
        *count += 1;
        let planned = self.plan.steps.iter().find_map(|step| match step {
            Step::Mishap {
                function,
                call: at,
                fault,
            } if *function == call.function && *at == number => Some(*fault),
            Step::Outage {
                of,
                from,
                lasts,
                hangs,
            } if of.is_of(call.function, call.operation)
                && now >= *from
                && now < *from + *lasts =>
            {
                Some(if *hangs {
                    Fault::Late(NEVER)
                } else {
                    Fault::FailBefore
                })
            }
            _ => None,
        });
        state.mishaps += usize::from(planned.is_some());
        let on_its_way = planned.filter(|fault| *fault != Fault::Late(NEVER));
        if let Some(Fault::Late(late) | Fault::Orphan(late)) = on_its_way {
            state.arrives = state.arrives.max(now + late);
        }
        state.note(&now.as_nanos().to_le_bytes());
        state.note(call.function.as_bytes());
        state.note(call.operation.as_bytes());
        // What goes well takes its time, too: that is what lets calls overtake one another.
        planned.or_else(|| Some(Fault::Delay(Duration::from_millis(fastrand::u64(1..30)))))
    }
}

/// The stage, as the shop's processes meet it.
struct OnStage(Arc<Stage>);

impl Mishaps for OnStage {
    fn process(&self, function: &'static str, _: &'static str) -> Faults {
        let stage = Arc::clone(&self.0);
        Faults::new(function, move |call| stage.decide(call))
    }

    fn not_yet_known(&self, function: &'static str) -> Vec<&'static str> {
        let now = self.0.beginning.elapsed();
        let unknown = self.0.plan.steps.iter().filter_map(|step| match step {
            Step::OldBuild {
                consumer,
                event_type,
                from,
                lasts,
            } if *consumer == function && now >= *from && now < *from + *lasts => Some(*event_type),
            _ => None,
        });
        unknown.collect()
    }

    fn delete_fails(&self, consumer: &'static str) -> bool {
        let mut state = self.0.lock();
        let count = state.deletes.entry(consumer).or_default();
        let number = *count;
        *count += 1;
        let lost = |step: &Step| matches!(step, Step::LostDelete { consumer: it, nth } if *it == consumer && *nth == number);
        let fails = self.0.plan.steps.iter().any(lost);
        state.mishaps += usize::from(fails);
        fails
    }

    fn attempts(&self) -> u32 {
        self.0.attempts
    }

    fn note(&self, what: &str) {
        self.0.lock().note(what.as_bytes());
    }
}

/// Carries a plan out, to its very end, and says what does not hold then. Runs on a current-thread runtime whose clock
/// is paused; what it does is the plan's alone.
pub async fn play(plan: &Plan) -> Played {
    fastrand::seed(plan.seed);
    dashpot::seed_ids(plan.seed);
    let stage = Arc::new(Stage {
        plan: plan.clone(),
        beginning: Instant::now(),
        // In every other story each fault reaches our own code; in the rest the SDK makes good for some.
        attempts: if plan.seed.is_multiple_of(2) { 1 } else { 3 },
        state: Mutex::default(),
    });
    let shop = Shop::open(Arc::new(OnStage(Arc::clone(&stage)))).await;
    for step in &plan.steps {
        if let Step::ServerError { call, acts } = step {
            shop.provider.fail(*call, *acts);
        }
    }
    let mut running = shop.start();
    let mut people = JoinSet::new();
    for step in plan.steps.clone() {
        let shop = Arc::clone(&shop);
        people.spawn(act(shop, step, stage.beginning));
    }
    let mut violations = Vec::new();
    while let Some(ended) = people.join_next().await {
        violations.extend(ended.err().map(|error| error.to_string()));
    }
    // Outages may begin after the last order.
    sleep_until(stage.beginning + last_moment(plan)).await;
    for _ in 0..REPLAYS {
        if !rests(&shop, &stage).await {
            violations.push("it does not come to rest".to_owned());
            break;
        }
        if shop.replay() == 0 {
            break;
        }
    }
    shop.look_at_all(LOOKS).await;
    if let Some(Err(error)) = running.try_join_next() {
        violations.push(format!("something panicked: {error}"));
    }
    let (mishaps, calls, trace) = {
        let end = stage.lock();
        (end.mishaps, end.calls.values().sum(), end.trace)
    };
    violations.extend(shop.violations(mishaps));
    Played {
        violations,
        trace,
        calls,
        mishaps,
        lasted: stage.beginning.elapsed(),
    }
}

/// Waits until nothing more happens by itself, and nothing is on its way.
async fn rests(shop: &Shop, stage: &Stage) -> bool {
    while shop.settle(PATIENCE).await {
        let arrives = stage.lock().arrives;
        if stage.beginning.elapsed() > arrives {
            return true;
        }
        sleep_until(stage.beginning + arrives + Duration::from_secs(1)).await;
    }
    false
}

fn last_moment(plan: &Plan) -> Duration {
    let ends = plan.steps.iter().map(|step| match step {
        Step::Outage { from, lasts, .. } | Step::OldBuild { from, lasts, .. } => *from + *lasts,
        _ => Duration::ZERO,
    });
    ends.max().unwrap_or_default()
}

async fn act(shop: Arc<Shop>, step: Step, beginning: Instant) {
    match step {
        Step::Order {
            at,
            order,
            tries,
            cancel,
            pack,
        } => {
            sleep_until(beginning + at).await;
            let Some(id) = shop.place(&order, tries).await.order_id() else {
                return;
            };
            shop.look_at(&id, LOOKS).await;
            let later = async |after: Option<Duration>| match after {
                Some(after) => {
                    sleep(after).await;
                    true
                }
                None => false,
            };
            let cancelling = async {
                if later(cancel).await {
                    shop.cancel(&id, &order.customer, tries).await;
                }
            };
            let packing = async {
                if later(pack).await {
                    shop.pack(&id, tries).await;
                }
            };
            tokio::join!(biased; cancelling, packing);
        }
        Step::FirstVersion { at, order } => {
            sleep_until(beginning + at).await;
            shop.publish_first_version(&format!("first-version-{order}"));
        }
        Step::Malformed { at, event_type } => {
            sleep_until(beginning + at).await;
            shop.publish_malformed(event_type);
        }
        Step::DeliverAgain { at, nth } => {
            sleep_until(beginning + at).await;
            shop.topic.deliver_again(nth);
        }
        Step::Mishap { .. }
        | Step::LostDelete { .. }
        | Step::ServerError { .. }
        | Step::Outage { .. }
        | Step::OldBuild { .. } => {}
    }
}
