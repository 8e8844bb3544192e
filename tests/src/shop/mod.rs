//! The whole shop in one process: every function as its `main` wires it, over tables, queues, streams and a topic that
//! behave by AWS's documented rules, with a payment provider that behaves by Stripe's.
//!
//! Time is tokio's: under `start_paused` a day of the shop takes milliseconds. Chance is [`fastrand`]'s: seeded, the
//! same things happen in the same order.
//!
//! - [`Shop`]: all of it, and what customers and people do with it
//! - [`mishaps`]: what goes wrong
//! - [`blueprint`]: what `template.yaml` says of queues, subscriptions, mappings and times
//! - [`provider`], [`topic`], [`letterbox`], [`bucket`], [`agenda`]: Stripe, SNS, SES, S3 and Scheduler in memory
//! - [`invariants`]: what must be true at the end, whatever went wrong

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

pub mod agenda;
pub mod blueprint;
pub mod bucket;
mod client;
mod functions;
pub mod invariants;
pub mod letterbox;
pub mod mishaps;
mod people;
pub mod provider;
mod reading;
pub mod topic;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashpot::{Clock, Invocation, Key, Row, Store, Write};
use dashpot_testing::{
    DeleteFails, EventFilter, Index, MemoryStore, Outgoing, QueueSettings, SimQueue, SqsMapping,
    StreamMapping, TableSettings, TableStream,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use agenda::Agenda;
use blueprint::{Blueprint, CONSUMERS, PRODUCERS};
use bucket::Bucket;
use functions::Environment;
use letterbox::Letterbox;
use mishaps::Mishaps;
use provider::Provider;
use reading::Shown;
use topic::Topic;

pub use people::{Order, Outcome};

/// When every story begins: 2026-11-02 09:30 UTC.
pub const BEGINNING: u64 = 1_793_611_800_000;

/// What is sold, with its stock and its price in cents.
pub const PRODUCTS: [(&str, i64, i64); 3] =
    [("chair", 5, 4999), ("lamp", 3, 1250), ("table", 1, 20_000)];

/// The shop.
pub struct Shop {
    /// What goes wrong.
    mishaps: Arc<dyn Mishaps>,
    blueprint: &'static Blueprint,
    clock: Clock,
    tables: BTreeMap<&'static str, Arc<MemoryStore>>,
    streams: BTreeMap<&'static str, Arc<TableStream>>,
    /// Each consumer's queue and dead-letter queue.
    queues: BTreeMap<&'static str, (Arc<SimQueue>, Arc<SimQueue>)>,
    relay_dead_letters: Arc<SimQueue>,
    /// SNS.
    pub topic: Arc<Topic>,
    /// Stripe.
    pub provider: Arc<Provider>,
    /// SES.
    pub letterbox: Arc<Letterbox>,
    /// The archive of analytics, in S3.
    pub archive: Arc<Bucket>,
    /// The answers to questions.
    replies: Arc<SimQueue>,
    /// The ids of the questions that were asked.
    questions: Mutex<Vec<String>>,
    /// Scheduler.
    pub agenda: Arc<Agenda>,
    /// The invoices, in S3.
    pub cabinet: Arc<Bucket>,
    /// What customers were told, in order.
    answers: Mutex<Vec<Outcome>>,
    /// The orders whose cancellation was asked for, as customers were told.
    cancellations: Mutex<BTreeSet<String>>,
    /// What they were shown of their orders, in order.
    shown: Mutex<Vec<Shown>>,
    /// What was published and is no envelope, with the type that it claimed.
    malformed: Mutex<BTreeMap<String, String>>,
    /// What there was of each sku before anybody ordered.
    initial_stock: Mutex<BTreeMap<&'static str, i64>>,
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop").finish_non_exhaustive()
    }
}

impl Shop {
    /// A shop with products and no orders, in which these things go wrong.
    pub async fn open(mishaps: Arc<dyn Mishaps>) -> Arc<Self> {
        let blueprint = Blueprint::of_production();
        let clock = Clock::at(BEGINNING);
        let mut tables = BTreeMap::new();
        for name in CONSUMERS.into_iter().chain(["checkout"]) {
            let indexes = match name {
                "checkout" => vec![Index::by_number("pending", "pending", "due")],
                "deadlines" => vec![Index::by_number("late", "late", "since")],
                "warehouse" => vec![Index::by_number("toPick", "toPick", "since")],
                "listing" => vec![
                    Index::by_text("customer", "customer", "placed"),
                    Index::by_text("state", "stateDay", "placed"),
                ],
                _ => Vec::new(),
            };
            let settings = TableSettings {
                name: name.to_owned(),
                indexes,
                clock,
                ..TableSettings::default()
            };
            tables.insert(name, Arc::new(MemoryStore::create(settings)));
        }
        let queue = |name: String, visibility_timeout, retention| {
            SimQueue::new(QueueSettings {
                visibility_timeout,
                retention,
                shuffled: true,
                clock,
                ..QueueSettings::standard(name)
            })
        };
        let topic = Arc::new(Topic::default());
        let mut queues = BTreeMap::new();
        for (name, it) in &blueprint.consumers {
            let dead_letters = format!("{name}-dead-letters");
            let dead_letters = queue(dead_letters, Duration::from_secs(30), it.dead_retention);
            let own = queue((*name).to_owned(), it.visibility_timeout, it.retention);
            own.redrive_to(&dead_letters, it.max_receive_count);
            if it.subscribes {
                topic.subscribe(it.filter.clone(), &own);
            }
            queues.insert(*name, (own, dead_letters));
        }
        let replies = queue(
            "replies-1".to_owned(),
            Duration::from_secs(30),
            Duration::from_hours(14 * 24),
        );
        let fortnight = Duration::from_hours(14 * 24);
        let shop = Self {
            mishaps,
            blueprint,
            clock,
            streams: PRODUCERS.map(|name| (name, tables[name].stream())).into(),
            tables,
            queues,
            relay_dead_letters: queue(
                "relay-dead-letters".to_owned(),
                Duration::from_secs(30),
                fortnight,
            ),
            topic,
            provider: Arc::default(),
            letterbox: Arc::default(),
            archive: Arc::default(),
            cabinet: Arc::default(),
            agenda: Arc::default(),
            replies,
            questions: Mutex::default(),
            answers: Mutex::default(),
            cancellations: Mutex::default(),
            shown: Mutex::default(),
            malformed: Mutex::default(),
            initial_stock: Mutex::default(),
        };
        shop.stock_up().await;
        Arc::new(shop)
    }

    async fn stock_up(&self) {
        for (sku, available, price) in PRODUCTS {
            let product = Row::new(Key::new(format!("product#{sku}")))
                .set("price", price)
                .set("currency", "EUR");
            let product = Write::put(product);
            self.tables["checkout"].commit(&[product]).await.unwrap();
            self.restock(sku, available).await;
        }
    }

    /// So many more of a sku.
    pub async fn restock(&self, sku: &'static str, more: i64) {
        let stock = Write::update(Key::new(format!("stock#{sku}"))).add("available", more);
        self.tables["inventory"].commit(&[stock]).await.unwrap();
        let mut initial = self
            .initial_stock
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *initial.entry(sku).or_default() += more;
    }

    /// Starts every mapping and schedule; dropped, all of it stops.
    #[must_use]
    pub fn start(self: &Arc<Self>) -> JoinSet<()> {
        let mut running = JoinSet::new();
        for name in CONSUMERS {
            let (shop, consumed) = (Arc::clone(self), &self.blueprint.consumers[name]);
            let mapping = SqsMapping {
                batch_size: consumed.batch_size,
                window: consumed.window,
                maximum_concurrency: Some(consumed.maximum_concurrency),
                function_timeout: consumed.timeout,
                report_batch_item_failures: consumed.reports_failures,
                delete_fails: {
                    let mishaps = Arc::clone(&self.mishaps);
                    DeleteFails::when(move |_| mishaps.delete_fails(name))
                },
            };
            running.spawn(async move {
                let make = || Environment {
                    shop: Arc::clone(&shop),
                    name,
                };
                let queue = &shop.queues[name].0;
                let refused = mapping.run(queue, make).await;
                panic!("{name}: {refused:?}");
            });
        }
        for name in PRODUCERS {
            let (shop, relayed) = (Arc::clone(self), &self.blueprint.streams[name]);
            let mapping = StreamMapping {
                batch_size: relayed.batch_size,
                parallelization_factor: relayed.parallelization_factor,
                bisect: relayed.bisect,
                maximum_age: Some(relayed.maximum_age),
                on_failure: Some(Arc::clone(&self.relay_dead_letters)),
                filter: EventFilter::inserted(relayed.prefix.as_str()),
                function_timeout: self.blueprint.timeouts["relay"],
                ..StreamMapping::default()
            };
            running.spawn(async move {
                let make = || Environment {
                    shop: Arc::clone(&shop),
                    name: "relay",
                };
                let refused = mapping.run(&shop.streams[name], make).await;
                panic!("{name}: {refused:?}");
            });
        }
        let shop = Arc::clone(self);
        running.spawn(async move {
            loop {
                sleep(Duration::from_mins(1)).await;
                shop.keep_appointments();
                if shop.has_something_due() {
                    shop.sweep_once().await;
                }
            }
        });
        running
    }

    /// Scheduler sends what is due, and some of it twice.
    fn keep_appointments(&self) {
        for appointment in self.agenda.due(self.clock.now()) {
            for _ in 0..=fastrand::usize(..8) / 7 {
                let queue = &self.queues[appointment.to.as_str()].0;
                queue.send(Outgoing::new(appointment.body.clone())).unwrap();
            }
        }
    }

    /// A sweep that finds nothing is left out: it does nothing but ask.
    fn has_something_due(&self) -> bool {
        let now = i64::try_from(self.clock.now() / 1000).unwrap_or(i64::MAX);
        let due = |row: &dashpot::Item| row.get("due")?.as_i64();
        let attempts = self.tables["checkout"].rows("attempt#");
        attempts
            .iter()
            .any(|row| due(row).is_some_and(|due| due <= now))
    }

    async fn sweep_once(&self) {
        let invocation = self.invocation("sweeper");
        // A sweep that fails, or dies, is followed by the next.
        let _ = tokio::time::timeout_at(invocation.deadline, self.sweep(&invocation)).await;
    }

    fn invocation(&self, name: &'static str) -> Invocation {
        Invocation {
            request_id: String::new(),
            deadline: Instant::now() + self.blueprint.timeouts[name],
            clock: self.clock,
        }
    }

    /// Waits until nothing more happens by itself: no message is left in a queue, no outbox row in a stream, no
    /// attempt in the sweeper's index, no command with the scheduler. False when that takes longer than `patience`.
    pub async fn settle(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while !self.is_settled() {
            if Instant::now() >= until {
                return false;
            }
            sleep(Duration::from_mins(1)).await;
        }
        true
    }

    fn is_settled(&self) -> bool {
        self.queues.values().all(|(queue, _)| queue.is_empty())
            && self.streams.values().all(|stream| stream.behind() == 0)
            && self.open_attempts() == 0
            && self.agenda.is_empty()
    }

    fn open_attempts(&self) -> usize {
        let attempts = self.tables["checkout"].rows("attempt#");
        attempts
            .iter()
            .filter(|row| row.contains_key("pending"))
            .count()
    }

    /// The state of an order's pick list, if there is one.
    #[must_use]
    pub fn pick_list(&self, order_id: &str) -> Option<String> {
        let row = self.tables["warehouse"].row(&Key::new(format!("pick_list#{order_id}")))?;
        Some(row.get("state")?.as_str()?.to_owned())
    }

    /// Every envelope that a service has put into its outbox, of an event or a command.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        let rows = self.tables.values().flat_map(|table| table.rows("outbox#"));
        let body = |row: dashpot::Item| Some(row.get("body")?.as_str()?.to_owned());
        rows.filter_map(body).collect()
    }

    /// How many messages lie in all dead-letter queues together.
    #[must_use]
    pub fn dead_letters(&self) -> usize {
        let consumers = self.queues.values().map(|(_, dead)| dead.len());
        consumers.sum::<usize>() + self.relay_dead_letters.len()
    }
}
