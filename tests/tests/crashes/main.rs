//! Every function, every kind of event, every call, every fault: the calls are found by counting them, so that one that
//! is added is covered by itself.
//!
//! Each scenario is a piece of the whole shop's life. It happens once as it should, and then once more for each of its
//! calls and each fault; what comes back is delivered again until everything has come to rest, and then it must all add
//! up.

mod backlog;
mod scenarios;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use dashpot_testing::fault::{CrashPoint, Fault, Trial, crash_points_where};
use system_tests::shop::Shop;
use tokio::time::sleep;

use scenarios::{SCENARIOS, Scenario};

/// Longer than any function can wait, and than an attempt to order may be open.
const SLOW: Duration = Duration::from_mins(20);

/// How long everything may take to come to rest.
const PATIENCE: Duration = Duration::from_hours(4 * 24);

/// How often a customer looks at an order while there is no answer.
pub(crate) const LOOKS: usize = 3;

/// Those that treat an event alike whatever happened before it, but for what makes their calls others: each of their calls
/// goes wrong once, not in every scenario.
const ALIKE: [&str; 10] = [
    "orders",
    "relay",
    "email",
    "analytics",
    "journal",
    "listing",
    "invoices",
    "invoices-urgent",
    "deadlines",
    "quotes",
];

/// Plays a scenario to its end, and says what does not hold.
async fn violations(scenario: &Scenario, trial: &Trial) -> Vec<String> {
    fastrand::seed(1);
    dashpot::seed_ids(1);
    let shop = Shop::open(Arc::new(trial.clone())).await;
    let mut running = shop.start();
    scenario.play(&shop).await;
    let mut violations = Vec::new();
    for _ in 0..3 {
        // Until what is late has arrived.
        sleep(SLOW + Duration::from_mins(1)).await;
        if !shop.settle(PATIENCE).await {
            violations.push("it does not come to rest".to_owned());
        }
        if shop.replay() == 0 {
            break;
        }
    }
    shop.look_at_all(LOOKS).await;
    if let Some(Err(error)) = running.try_join_next() {
        violations.push(format!("something panicked: {error}"));
    }
    violations.extend(shop.violations(usize::from(trial.hit().is_some())));
    // Only a request that is still on its way can be overtaken by a repeat that asked first.
    let fault = trial.hit().and_then(|hit| hit.fault);
    let may_overtake = matches!(fault, Some(Fault::Late(_) | Fault::Orphan(_)));
    let repeats: usize = shop
        .provider
        .payments()
        .iter()
        .map(|it| it.blind_repeats)
        .sum();
    if repeats > 0 && !may_overtake {
        violations.push(format!(
            "the provider was asked {repeats} times to do again what it had done"
        ));
    }
    violations
}

/// The distinct points of one scenario, each of which it has survived.
fn points(scenario: &Scenario, covered: &Mutex<BTreeSet<CrashPoint>>) -> BTreeSet<CrashPoint> {
    let wanted = |point: &CrashPoint| {
        let mut covered = covered.lock().unwrap_or_else(PoisonError::into_inner);
        covered.insert(*point) || !ALIKE.contains(&point.call.function)
    };
    let play = async |trial: &Trial| {
        let violations = violations(scenario, trial).await;
        let hit = trial.hit().map(|point| point.to_string());
        assert!(
            violations.is_empty(),
            "{}, {}: {violations:#?}",
            scenario.name,
            hit.unwrap_or("when nothing goes wrong".to_owned())
        );
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(crash_points_where(&Fault::each(SLOW), wanted, play))
}

#[test]
fn everything_adds_up_wherever_something_goes_wrong() {
    let (covered, next) = (Mutex::default(), AtomicUsize::new(0));
    let player = || {
        let mut points_found = BTreeSet::new();
        while let Some(scenario) = SCENARIOS.get(next.fetch_add(1, Ordering::Relaxed)) {
            points_found.extend(points(scenario, &covered));
        }
        points_found
    };
    let all: BTreeSet<CrashPoint> = thread::scope(|scope| {
        let players: Vec<_> = (0..4).map(|_| scope.spawn(player)).collect();
        players
            .into_iter()
            .flat_map(|player| match player.join() {
                Ok(points) => points,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    let functions: BTreeSet<&str> = all.iter().map(|point| point.call.function).collect();
    let report = format!(
        "{} distinct crash points (function × event × call × fault), in {} functions\n",
        all.len(),
        functions.len()
    );
    // Past the capture of the test harness: the number is what the test is asked for.
    let _ = std::io::stderr().write_all(report.as_bytes());
    assert_eq!(functions.len(), 15, "{functions:?}");
}
