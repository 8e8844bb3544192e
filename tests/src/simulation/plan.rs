//! A plan: what customers do and what goes wrong.

use std::fmt;
use std::time::Duration;

use dashpot_testing::fault::Fault;
use fastrand::Rng;

use crate::shop::Order;
use crate::shop::blueprint::CONSUMERS;
use crate::shop::provider::{CAPTURE_REFUSED, DECLINED, GOOD};

/// A seed, and the steps that it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Also seeds what no step names: latencies, jitter, ids.
    pub seed: u64,
    /// In no order.
    pub steps: Vec<Step>,
}

/// One thing that happens. Times are counted from the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A customer orders, and asks again with the same key while there is no answer, so many times at most.
    Order {
        /// When.
        at: Duration,
        /// What.
        order: Order,
        /// How often at most.
        tries: usize,
        /// So long after the answer they want it cancelled.
        cancel: Option<Duration>,
        /// So long after the answer somebody packs it.
        pack: Option<Duration>,
    },
    /// A producer of the first version says that an order was created.
    FirstVersion {
        /// When.
        at: Duration,
        /// Which.
        order: usize,
    },
    /// A producer publishes what is no envelope, under a type that somebody takes.
    Malformed {
        /// When.
        at: Duration,
        /// Under which type.
        event_type: &'static str,
    },
    /// SNS delivers the event that was published as the n-th once more.
    DeliverAgain {
        /// When.
        at: Duration,
        /// Which.
        nth: usize,
    },
    /// Something goes wrong with a function's n-th call.
    Mishap {
        /// Whose call.
        function: &'static str,
        /// Counted over all its processes.
        call: usize,
        /// What.
        fault: Fault,
    },
    /// The mapping does not get to delete what a consumer has done, the n-th time.
    LostDelete {
        /// Whose message.
        consumer: &'static str,
        /// Counted from 0.
        nth: usize,
    },
    /// The provider answers the n-th call that acts with a server error, and repeats it under its key.
    ServerError {
        /// Which.
        call: usize,
        /// Whether it acts all the same.
        acts: bool,
    },
    /// Something is away.
    Outage {
        /// What.
        of: Dependency,
        /// Since when.
        from: Duration,
        /// For how long.
        lasts: Duration,
        /// Whether calls hang until their time is up; else they are refused at once.
        hangs: bool,
    },
    /// An older build of a consumer runs, which does not know a type.
    OldBuild {
        /// Which.
        consumer: &'static str,
        /// What it does not know yet.
        event_type: &'static str,
        /// Since when.
        from: Duration,
        /// For how long.
        lasts: Duration,
    },
}

/// What can be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// The payment provider.
    Provider,
    /// The table of one service.
    Table(&'static str),
    /// SNS.
    Topic,
    /// SES.
    Mailer,
    /// SQS, for what a consumer asks of it.
    Queue,
}

impl Dependency {
    /// Whether that call of that function goes there.
    #[must_use]
    pub fn is_of(self, function: &str, operation: &str) -> bool {
        match self {
            Self::Provider => operation.starts_with("provider."),
            Self::Topic => operation.starts_with("topic."),
            Self::Mailer => operation.starts_with("mailer."),
            Self::Queue => operation.starts_with("queue."),
            Self::Table(table) => {
                let owner = match function {
                    "sweeper" => "checkout",
                    "orders" => "journal",
                    function => function,
                };
                operation.starts_with("store.") && owner == table
            }
        }
    }
}

const FUNCTIONS: [&str; 11] = [
    "checkout",
    "orders",
    "sweeper",
    "relay",
    "inventory",
    "payments",
    "warehouse",
    "email",
    "analytics",
    "journal",
    "listing",
];

const CARDS: [&str; 5] = [GOOD, GOOD, GOOD, DECLINED, CAPTURE_REFUSED];

const SKUS: [&str; 3] = ["chair", "lamp", "table"];

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Some shops are busy, some are slow; some days are fair, some are not.
        let span = Duration::from_secs(rng.choice([30, 300, 7200]).unwrap_or(300));
        let orders = rng.usize(1..=4);
        let mut steps: Vec<Step> = (0..orders).map(|n| order(&mut rng, n, span)).collect();
        if rng.u8(..4) == 0 {
            let at = within(&mut rng, span);
            steps.push(Step::FirstVersion { at, order: 0 });
        }
        if rng.u8(..5) == 0 {
            let at = within(&mut rng, span);
            let event_type = rng.choice(["order.placed", "stock.reserved", "payment.failed"]);
            steps.push(Step::Malformed {
                at,
                event_type: event_type.unwrap_or_default(),
            });
        }
        for _ in 0..rng.usize(..=5) {
            steps.push(mishap(&mut rng, orders));
        }
        for _ in 0..rng.usize(..=1) {
            let (at, nth) = (within(&mut rng, span * 2), rng.usize(..orders * 5));
            steps.push(Step::DeliverAgain { at, nth });
            let consumer = rng.choice(CONSUMERS).unwrap_or_default();
            steps.push(Step::LostDelete {
                consumer,
                nth: rng.usize(..orders * 4),
            });
        }
        if rng.u8(..6) == 0 {
            steps.push(Step::ServerError {
                call: rng.usize(..orders * 3),
                acts: rng.bool(),
            });
        }
        for _ in 0..rng.usize(..=2) / 2 * rng.usize(1..=2) {
            steps.push(outage(&mut rng, span));
        }
        if rng.u8(..5) == 0 {
            steps.push(old_build(&mut rng, span));
        }
        Self { seed, steps }
    }
}

fn within(rng: &mut Rng, span: Duration) -> Duration {
    Duration::from_millis(rng.u64(..=u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

fn sometimes(rng: &mut Rng, one_in: u8, span: Duration) -> Option<Duration> {
    (rng.u8(..one_in) == 0).then(|| within(rng, span))
}

fn order(rng: &mut Rng, n: usize, span: Duration) -> Step {
    let mut lines: Vec<(&'static str, u32)> = Vec::new();
    for sku in SKUS {
        if rng.bool() {
            lines.push((sku, rng.u32(1..=2)));
        }
    }
    if lines.is_empty() {
        lines.push(("chair", 1));
    }
    Step::Order {
        at: within(rng, span),
        order: Order {
            customer: format!("user_{}", rng.u8(..3)),
            // Now and then two customers' requests, or two tries of one, carry the same key.
            key: format!("key-{}", if rng.u8(..6) == 0 { 0 } else { n }),
            card: rng.choice(CARDS).unwrap_or(GOOD),
            lines,
        },
        tries: rng.usize(1..=5),
        cancel: sometimes(rng, 4, Duration::from_mins(10)),
        pack: sometimes(rng, 5, Duration::from_mins(10)),
    }
}

fn mishap(rng: &mut Rng, orders: usize) -> Step {
    let function = rng.choice(FUNCTIONS).unwrap_or_default();
    let calls = match function {
        "relay" | "analytics" | "journal" | "listing" => orders * 10,
        "checkout" | "email" | "payments" => orders * 8,
        _ => orders * 4,
    };
    let longest = rng.choice([10, 60, 1800]).unwrap_or(60);
    let slow = Duration::from_secs(rng.u64(1..=longest));
    Step::Mishap {
        function,
        call: rng.usize(..calls),
        fault: rng.choice(Fault::each(slow)).unwrap_or(Fault::Reset),
    }
}

fn outage(rng: &mut Rng, span: Duration) -> Step {
    let table = rng
        .choice([
            "checkout",
            "inventory",
            "payments",
            "warehouse",
            "email",
            "analytics",
            "journal",
            "listing",
        ])
        .unwrap_or_default();
    let of = rng.choice([
        Dependency::Provider,
        Dependency::Provider,
        Dependency::Topic,
        Dependency::Mailer,
        Dependency::Queue,
        Dependency::Table(table),
        Dependency::Table(table),
    ]);
    Step::Outage {
        of: of.unwrap_or(Dependency::Topic),
        from: within(rng, span),
        lasts: Duration::from_secs(
            rng.choice([20, 120, 900, 3600, 10_800, 30_000])
                .unwrap_or(900),
        ),
        hangs: rng.bool(),
    }
}

fn old_build(rng: &mut Rng, span: Duration) -> Step {
    let (consumer, event_type) = rng
        .choice([
            ("inventory", "order.cancelled"),
            ("inventory", "order.placed"),
            ("payments", "order.cancelled"),
            ("payments", "stock.reserved"),
            ("warehouse", "order.cancellation_requested"),
            ("warehouse", "payment.failed"),
            ("email", "payment.refunded"),
            ("email", "order.placed"),
        ])
        .unwrap_or_default();
    Step::OldBuild {
        consumer,
        event_type,
        from: within(rng, span),
        lasts: Duration::from_mins(rng.u64(1..90)),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} steps:", self.seed, self.steps.len())?;
        self.steps
            .iter()
            .try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}
