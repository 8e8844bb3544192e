//! What `template.yaml` says of queues, subscriptions, mappings and times, as production has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use dashpot::Recovery;
use deadlines::terms::Terms;
use serde_json::Value;

use crate::template::{Template, list, text};

/// Those that take messages from a queue of their own, as they name themselves.
pub const CONSUMERS: [&str; 11] = [
    "inventory",
    "payments",
    "warehouse",
    "email",
    "analytics",
    "journal",
    "listing",
    "deadlines",
    "invoices",
    "invoices-urgent",
    "quotes",
];

/// Those whose tables have a stream: who says events.
pub const PRODUCERS: [&str; 5] = [
    "checkout",
    "inventory",
    "payments",
    "warehouse",
    "deadlines",
];

/// One consumer's queue, subscription and mapping.
#[derive(Debug, Clone)]
pub struct Consumed {
    /// How long a received message is hidden.
    pub visibility_timeout: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// How long a dead letter is kept.
    pub dead_retention: Duration,
    /// The receive after which SQS gives a message up.
    pub max_receive_count: u32,
    /// Whether it subscribes to the topic; else jobs are sent to it.
    pub subscribes: bool,
    /// The types that the subscription lets through; none is all.
    pub filter: Option<BTreeSet<String>>,
    /// The mapping's batch size.
    pub batch_size: usize,
    /// The mapping's window.
    pub window: Duration,
    /// The mapping's bound on concurrency.
    pub maximum_concurrency: usize,
    /// Whether single failures are reported.
    pub reports_failures: bool,
    /// The function's time-out.
    pub timeout: Duration,
}

/// One table's stream, as the relay's mapping reads it.
#[derive(Debug, Clone)]
pub struct Relayed {
    /// The mapping's batch size.
    pub batch_size: usize,
    /// How many batches of a shard are handled at once.
    pub parallelization_factor: usize,
    /// Whether a failed batch is taken apart.
    pub bisect: bool,
    /// How old a record may become.
    pub maximum_age: Duration,
    /// The prefix of the rows that it is invoked with.
    pub prefix: String,
}

/// All of it.
#[derive(Debug)]
pub struct Blueprint {
    /// By consumer.
    pub consumers: BTreeMap<&'static str, Consumed>,
    /// By producer.
    pub streams: BTreeMap<&'static str, Relayed>,
    /// The queues that the relay sends commands to.
    pub commanded: BTreeSet<String>,
    /// Every function's time-out.
    pub timeouts: BTreeMap<&'static str, Duration>,
    /// What becomes of failures.
    pub recovery: Recovery,
    /// When an order is late, and when it is given up.
    pub terms: Terms,
    /// When an attempt is the sweeper's.
    pub hold_bound: Duration,
    /// How long one call to the provider may take.
    pub payment_timeout: Duration,
}

impl Blueprint {
    /// As the stage `prod` has it.
    #[must_use]
    pub fn of_production() -> &'static Self {
        static READ: LazyLock<Blueprint> = LazyLock::new(Blueprint::read);
        &READ
    }

    fn read() -> Self {
        let template = Template::at("prod");
        let parameter = |name| Duration::from_secs_f64(template.seconds(name));
        let milliseconds = template.stage["PaymentTimeoutMilliseconds"].as_str();
        Self {
            consumers: CONSUMERS
                .map(|name| (name, consumed(template, name)))
                .into(),
            commanded: commanded(template),
            streams: PRODUCERS.map(|name| (name, relayed(template, name))).into(),
            timeouts: CONSUMERS
                .into_iter()
                .chain(["checkout", "sweeper", "relay", "orders"])
                .map(|name| (name, timeout(template, name)))
                .collect(),
            recovery: Recovery {
                base: parameter("RetryBaseSeconds"),
                cap: parameter("RetryCapSeconds"),
                park_after: parameter("ParkAfterSeconds"),
                not_yet_for: parameter("NotYetSeconds"),
                ..Recovery::default()
            },
            terms: Terms {
                late_after: parameter("LateAfterSeconds"),
                abandon_after: parameter("AbandonAfterSeconds"),
                log: |_| {},
            },
            hold_bound: parameter("HoldBoundSeconds"),
            payment_timeout: Duration::from_millis(milliseconds.unwrap().parse().unwrap()),
        }
    }
}

/// `invoices-urgent` is `InvoicesUrgent` in the template's logical ids.
fn logical(name: &str) -> String {
    let words = name.split('-');
    let words = words.map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}

/// The names in `QUEUES`, each of which must be the queue of that name.
fn commanded(template: &Template) -> BTreeSet<String> {
    let queues = text(&template.of_function("Relay", "Environment")["Variables"]["QUEUES"]);
    let named = queues.split(',').map(|entry| {
        let (name, url) = entry.split_once('=').unwrap();
        assert_eq!(url, format!("${{{}Queue}}", logical(name)));
        name.to_owned()
    });
    named.collect()
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(number(value))
}

fn timeout(template: &Template, name: &str) -> Duration {
    seconds(template.of_function(&logical(name), "Timeout"))
}

fn consumed(template: &Template, name: &str) -> Consumed {
    let id = logical(name);
    let queue = template.properties(&format!("{id}Queue"));
    let dead_letters = template.properties(&format!("{id}DeadLetterQueue"));
    let subscription = template.resources.get(&format!("{id}Subscription"));
    let mapping = &template.properties(&format!("{id}Function"))["Events"]["Messages"];
    let mapping = &mapping["Properties"];
    let policy = subscription.and_then(|it| it["Properties"]["FilterPolicy"].as_object());
    let filter = policy.map(|policy| {
        let types = list(&policy["type"]);
        types.into_iter().map(str::to_owned).collect()
    });
    Consumed {
        visibility_timeout: seconds(&queue["VisibilityTimeout"]),
        retention: seconds(&queue["MessageRetentionPeriod"]),
        dead_retention: seconds(&dead_letters["MessageRetentionPeriod"]),
        max_receive_count: u32::try_from(number(&queue["RedrivePolicy"]["maxReceiveCount"]))
            .unwrap(),
        subscribes: subscription.is_some(),
        filter,
        batch_size: usize::try_from(number(&mapping["BatchSize"])).unwrap(),
        window: seconds(&mapping["MaximumBatchingWindowInSeconds"]),
        maximum_concurrency: usize::try_from(number(
            &mapping["ScalingConfig"]["MaximumConcurrency"],
        ))
        .unwrap(),
        reports_failures: mapping["FunctionResponseTypes"][0] == "ReportBatchItemFailures",
        timeout: timeout(template, name),
    }
}

fn relayed(template: &Template, producer: &str) -> Relayed {
    let stream = format!("{}Stream", logical(producer));
    let mapping = &template.properties("RelayFunction")["Events"][stream]["Properties"];
    let pattern = mapping["FilterCriteria"]["Filters"][0]["Pattern"].as_str();
    let pattern: Value = serde_json::from_str(pattern.unwrap()).unwrap();
    let prefix = pattern["dynamodb"]["Keys"]["pk"]["S"][0]["prefix"].as_str();
    assert_eq!(pattern["eventName"][0], "INSERT");
    Relayed {
        batch_size: usize::try_from(number(&mapping["BatchSize"])).unwrap(),
        parallelization_factor: usize::try_from(number(&mapping["ParallelizationFactor"])).unwrap(),
        bisect: mapping["BisectBatchOnFunctionError"] == true,
        maximum_age: seconds(&mapping["MaximumRecordAgeInSeconds"]),
        prefix: prefix.unwrap().to_owned(),
    }
}
