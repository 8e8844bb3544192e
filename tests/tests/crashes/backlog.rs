//! A backlog whose first batch ended the process: its messages run one after the other, and there is not time for all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashpot_testing::fault::{Fault, Faults};
use system_tests::shop::Shop;
use system_tests::shop::mishaps::Mishaps;
use tokio::time::sleep;

use super::PATIENCE;

/// More than SNS takes to deliver.
const GATHERED: Duration = Duration::from_secs(10);

/// Just below what the clients wait for an answer: each call ends well, and takes as long as it can.
const SLUGGISH: Duration = Duration::from_millis(2900);

const MESSAGES: usize = 9;

/// The first process of each consumer dies, the second has no time for all of its messages.
#[derive(Default)]
struct Backlog(Mutex<BTreeMap<&'static str, Vec<Faults>>>);

impl Mishaps for Backlog {
    fn process(&self, function: &'static str, _: &'static str) -> Faults {
        let mut processes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let processes = processes.entry(function).or_default();
        let faults = match (function, processes.len()) {
            ("relay", _) | (_, 2..) => Faults::none(function),
            (_, 0) => Faults::new(function, |_| Some(Fault::KillBefore)),
            // Its answer is in time: what it leaves out would be deleted.
            (_, _) => Faults::new(function, |call| {
                (call.operation != "lambda.answer").then_some(Fault::Delay(SLUGGISH))
            }),
        };
        processes.push(faults.clone());
        faults
    }
}

#[tokio::test(start_paused = true)]
async fn what_gets_no_turn_before_the_deadline_is_not_lost() {
    fastrand::seed(1);
    dashpot::seed_ids(1);
    let mishaps = Arc::new(Backlog::default());
    let shop = Shop::open(Arc::clone(&mishaps) as Arc<dyn Mishaps>).await;
    for order in 0..MESSAGES {
        shop.publish_first_version(&format!("order-{order}"));
    }
    sleep(GATHERED).await;
    let running = shop.start();
    assert!(shop.settle(PATIENCE).await, "it does not come to rest");
    drop(running);
    let violations = shop.violations(MESSAGES);
    assert!(violations.is_empty(), "{violations:#?}");
    let processes = mishaps.0.lock().unwrap_or_else(PoisonError::into_inner);
    let sluggish = processes["inventory"][1].calls();
    // Each that gets its turn is noted, and committed.
    let turns = sluggish / 2;
    assert!(
        (1..MESSAGES).contains(&turns),
        "{turns} of {MESSAGES} had their turn"
    );
}
