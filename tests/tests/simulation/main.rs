//! Whole days of the shop, each from a seed: whatever goes wrong, it adds up in the end.

use system_tests::simulation::{Plan, Played, play, shrink};

/// How many schedules an ordinary run of the tests plays; `cargo soak` plays as many as it is given.
const SCHEDULES: u64 = 150;

/// Plays a plan on a runtime of its own, whose clock is paused.
fn run(plan: &Plan) -> Played {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(play(plan))
}

#[test]
fn whatever_goes_wrong_it_adds_up_in_the_end() {
    let first: u64 = std::env::var("SIMULATION_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0);
    for seed in first..first + SCHEDULES {
        let plan = Plan::of_seed(seed);
        let played = run(&plan);
        if !played.violations.is_empty() {
            let shortest = shrink(&plan, |plan| !run(plan).violations.is_empty());
            let left = run(&shortest).violations;
            panic!(
                "{:#?}\nThe shortest history found:\n{shortest}\n{left:#?}",
                played.violations
            );
        }
    }
}

#[test]
fn a_seed_reproduces_a_run_exactly() {
    let mut traces = std::collections::BTreeSet::new();
    for seed in 1000..1020 {
        let plan = Plan::of_seed(seed);
        let (first, second) = (run(&plan), run(&plan));
        assert_eq!(first, second, "{plan}");
        traces.insert(first.trace);
    }
    assert_eq!(traces.len(), 20, "and each seed is another");
}
