//! Provider, DynamoDB, SNS and SES, each away for a quarter of an hour and for three hours, by refusing and by silence:
//! nothing is lost, no dead-letter queue fills, and what recovers is not run over.
//!
//! `cargo test --test outages` prints the table of docs/OUTAGES.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashpot_testing::fault::{Call, Fault, Faults};
use system_tests::shop::mishaps::Mishaps;
use system_tests::shop::provider::GOOD;
use system_tests::shop::{Order, Shop};
use system_tests::simulation::Dependency;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

const MINUTE: Duration = Duration::from_mins(1);

/// When something goes away, and how many orders have come in at once just before.
const AWAY_FROM: Duration = Duration::from_mins(10);
const BURST: usize = 60;
const BURST_AT: Duration = Duration::from_secs(598);

/// One more order so often, until it is back.
const ORDER_EVERY: Duration = Duration::from_mins(2);

/// Two backoff periods: `RetryCapSeconds`, twice.
const RECOVERED_WITHIN: Duration = Duration::from_mins(30);

/// One thing that is away, and the calls that it gets.
struct Outage {
    of: Dependency,
    lasts: Duration,
    hangs: bool,
    beginning: Instant,
    calls: Mutex<BTreeMap<u64, usize>>,
}

impl Outage {
    fn decide(&self, call: &Call) -> Fault {
        let now = self.beginning.elapsed();
        if self.of.is_of(call.function, call.operation) {
            *self.lock().entry(now.as_secs() / 60).or_default() += 1;
            if now >= AWAY_FROM && now < self.back_at() {
                let never = Duration::from_hours(24 * 365);
                return if self.hangs {
                    Fault::Late(never)
                } else {
                    Fault::FailBefore
                };
            }
        }
        Fault::Delay(Duration::from_millis(fastrand::u64(5..50)))
    }

    fn back_at(&self) -> Duration {
        AWAY_FROM + self.lasts
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls of each minute of a time.
    fn minutes(&self, from: Duration, until: Duration) -> Vec<usize> {
        let calls = self.lock();
        let minutes = from.as_secs() / 60..until.as_secs() / 60;
        minutes
            .map(|minute| calls.get(&minute).copied().unwrap_or_default())
            .collect()
    }
}

struct Weather(Arc<Outage>);

impl Mishaps for Weather {
    fn process(&self, function: &'static str, _: &'static str) -> Faults {
        let outage = Arc::clone(&self.0);
        Faults::new(function, move |call| Some(outage.decide(call)))
    }

    fn attempts(&self) -> u32 {
        3
    }
}

fn order(number: usize) -> Order {
    Order {
        customer: format!("user_{number}"),
        key: "key".to_owned(),
        card: GOOD,
        lines: vec![("chair", 1)],
    }
}

/// Customers before and during the outage.
fn customers(shop: &Arc<Shop>, outage: &Outage) -> JoinSet<()> {
    let mut customers = JoinSet::new();
    let burst = (0..BURST).map(|number| (number, BURST_AT));
    let steady = (0..).map(|number| {
        (
            BURST + usize::try_from(number).unwrap_or_default(),
            ORDER_EVERY * number,
        )
    });
    let steady = steady.take_while(|(_, at)| *at < outage.back_at());
    for (number, at) in burst.chain(steady) {
        let (shop, beginning) = (Arc::clone(shop), outage.beginning);
        customers.spawn(async move {
            sleep_until(beginning + at).await;
            shop.place(&order(number), 4).await;
        });
    }
    customers
}

/// Lives through one outage; its line of the table.
async fn live_through(of: Dependency, lasts: Duration, hangs: bool) -> String {
    fastrand::seed(1);
    dashpot::seed_ids(1);
    let outage = Arc::new(Outage {
        of,
        lasts,
        hangs,
        beginning: Instant::now(),
        calls: Mutex::default(),
    });
    let shop = Shop::open(Arc::new(Weather(Arc::clone(&outage)))).await;
    shop.restock("chair", 10_000).await;
    let _running = shop.start();
    let mut customers = customers(&shop, &outage);
    sleep_until(outage.beginning + outage.back_at()).await;
    while customers.join_next().await.is_some() {}
    let name = format!(
        "{of:?} for {} min, {}",
        lasts.as_secs() / 60,
        if hangs { "silent" } else { "refusing" }
    );
    assert!(
        shop.settle(Duration::from_hours(12)).await,
        "{name}: it does not come to rest"
    );
    let back = outage.beginning + outage.back_at();
    let recovered = back.elapsed();
    sleep(MINUTE).await;

    assert_eq!(shop.dead_letters(), 0, "{name}");
    let violations = shop.violations(1000);
    assert!(violations.is_empty(), "{name}: {violations:#?}");
    assert!(
        recovered <= RECOVERED_WITHIN,
        "{name}: recovered after {recovered:?}"
    );
    let (back, calls) = (outage.back_at(), |from, until| outage.minutes(from, until));
    let before = calls(MINUTE, MINUTE * 9);
    let first = calls(AWAY_FROM, AWAY_FROM + MINUTE * 5);
    let away = calls(AWAY_FROM + MINUTE * 5, back);
    let after = calls(back, back + RECOVERED_WITHIN);
    let most = |minutes: &[usize]| minutes.iter().copied().max().unwrap_or_default();
    let mean = |minutes: &[usize]| minutes.iter().sum::<usize>() / minutes.len().max(1);
    let backlog: usize = after.iter().sum();
    // Spread over at least half of the longest delay, messages do not come back all at once. The relay has no messages:
    // each lane of a stream waits for one call's answer before it makes the next.
    let bound = match of {
        Dependency::Topic => backlog,
        _ => backlog / 4 + 10,
    };
    assert!(
        most(&after) <= bound,
        "{name}: {} of {backlog} calls in one minute",
        most(&after)
    );
    format!(
        "| {of:?} | {} | {} | {} | {} | {} / {} | {} / {} | {} |\n",
        lasts.as_secs() / 60,
        if hangs { "silent" } else { "refuses" },
        mean(&before),
        most(&first),
        mean(&away),
        most(&away),
        backlog,
        most(&after),
        recovered.as_secs().div_ceil(60),
    )
}

#[test]
fn an_outage_loses_nothing_fills_no_dead_letter_queue_and_ends_gently() {
    let mut table = String::from(
        "| what | away, min | how | calls a minute before | most in its first 5 min | during, mean / most | in the \
         30 min after, all / most a minute | all done, min after |\n|---|---|---|---|---|---|---|---|\n",
    );
    let dependencies = [
        Dependency::Provider,
        Dependency::Table("payments"),
        Dependency::Table("inventory"),
        Dependency::Topic,
        Dependency::Mailer,
    ];
    for of in dependencies {
        for minutes in [15, 180] {
            for hangs in [false, true] {
                let line = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .start_paused(true)
                    .build()
                    .expect("a runtime")
                    .block_on(live_through(of, MINUTE * minutes, hangs));
                let _ = table.write_str(&line);
            }
        }
    }
    let _ = std::io::stderr().write_all(table.as_bytes());
}
