//! A rebuild among live events: whatever comes when, and wherever it is killed, the rows that serve in the end are what
//! the journal adds up to.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dashpot::{
    Clock, CommitError, Invocation, Item, Key, Page, Part, Query, Recovery, Row, Scan, Store,
    StoreError, Value, Write,
};
use dashpot_testing::{Delivery, Index, MemoryStore, RecordingQueue, sqs_event};
use futures_util::future::join_all;
use listing::check::check;
use listing::generation::Generation;
use listing::rebuild::{Rebuild, RebuildError, pointer, retire};
use listing::row::{self, CUSTOMER, PLACED, STATE, STATE_AND_DAY};
use order_history::{Event, Facts};
use proptest::prelude::*;
use shop_events::OrderId;
use tokio::time::{sleep, timeout};

/// 2026-11-24, a quarter of an hour before midnight.
const NOW: u64 = 1_795_563_900_000;

/// Longer than any invocation takes in here.
const GRACE: Duration = Duration::from_secs(2);

/// A table whose calls take their time, by chance, on the way there and on the way back.
#[derive(Debug, Clone)]
struct Slow(Arc<MemoryStore>);

impl Slow {
    fn new() -> Self {
        Self(Arc::new(MemoryStore::with_indexes([
            Index::by_text(CUSTOMER, CUSTOMER, PLACED),
            Index::by_text(STATE, STATE_AND_DAY, PLACED),
        ])))
    }
}

async fn a_while() {
    sleep(Duration::from_millis(fastrand::u64(..40))).await;
}

impl Store for Slow {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        a_while().await;
        let answer = self.0.commit(writes).await;
        a_while().await;
        answer
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        a_while().await;
        let answer = self.0.get(keys).await;
        a_while().await;
        answer
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        a_while().await;
        let answer = self.0.query(query).await;
        a_while().await;
        answer
    }
}

impl Scan for Slow {
    async fn scan(&self, part: &Part) -> Result<Page, StoreError> {
        a_while().await;
        let answer = self.0.scan(part).await;
        a_while().await;
        answer
    }
}

/// An event's way: its body, when it is filed in the journal, and when listing gets it, in milliseconds.
#[derive(Debug, Clone)]
struct Way {
    order: u8,
    event: u8,
    filed: u64,
    handled: Vec<u64>,
}

const NAMES: [&str; 7] = [
    "order.placed",
    "stock.reserved",
    "payment.captured",
    "pick_list.created",
    "order.cancellation_requested",
    "order.cancelled",
    "comet.seen",
];

impl Way {
    fn id(&self) -> String {
        format!("{}-{}", self.order, self.event)
    }

    fn body(&self) -> String {
        let (order, name) = (self.order, NAMES[usize::from(self.event) % NAMES.len()]);
        let at = NOW - 3_600_000 * u64::from(self.event);
        format!(
            r#"{{"type":"{name}","payload":{{"orderId":"o-{order}","userId":"u-{}","total":{{"amount":500,"currency":"EUR"}},"items":[],"paymentIntentId":"pi"}},"metadata":{{"id":"{}","timestamp":{at},"correlationId":"c","version":2,"subject":"o-{order}"}}}}"#,
            order % 2,
            self.id()
        )
    }
}

fn journal_row(way: &Way) -> Row {
    let key = Key::of(format!("order#o-{}", way.order), way.id());
    Row::new(key).set("body", way.body())
}

async fn handle<S: Store + Clone>(store: S, clock: Clock, way: &Way) {
    let queue = RecordingQueue::new();
    let consumer = listing::consumer(store, &queue, Recovery::default()).log_to(|_| {});
    let event = sqs_event("listing", &[Delivery::new("m", way.body())]);
    for _ in 0..50 {
        let invocation = Invocation {
            clock,
            ..Invocation::default()
        };
        let answer = consumer.handle_batch(&event, &invocation).await.unwrap();
        if answer.batch_item_failures.is_empty() {
            assert!(queue.parked().is_empty(), "{way:?}");
            return;
        }
        a_while().await;
    }
    panic!("never handled: {way:?}");
}

async fn rebuild(journal: &Slow, store: &Slow, clock: Clock) -> Result<(), RebuildError> {
    let rebuild = Rebuild::begin(store.clone(), clock).await?;
    rebuild.fill(journal, Some(2), |_| {}).await?;
    rebuild.catch_up(GRACE).await?;
    rebuild.flip().await?;
    retire(store, clock).await?;
    Ok(())
}

/// The rows that serve, and what they should be.
fn rows_and_recount(
    journal: &Slow,
    store: &Slow,
    serving: Generation,
) -> [BTreeMap<OrderId, Facts>; 2] {
    let prefix = format!("{serving}#order#");
    let rows = store.0.rows(&prefix).into_iter();
    let rows = rows.map(|it| (row::order(&it).unwrap(), row::facts(&it).unwrap()));
    let mut recount: BTreeMap<OrderId, Facts> = BTreeMap::new();
    for row in journal.0.rows("order#") {
        let event = Event::in_row(&row).unwrap();
        let facts = recount.entry(event.order_id().unwrap()).or_default();
        *facts = facts.clone().join(Facts::of(&event));
    }
    [rows.collect(), recount]
}

/// Plays it in virtual time.
fn play(seed: u64, ways: &[Way], begins: u64, kills: &[u64], finish: bool) {
    fastrand::seed(seed);
    dashpot::seed_ids(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (journal, store, clock) = (Slow::new(), Slow::new(), Clock::at(NOW));
        let filing = ways.iter().map(async |way| {
            sleep(Duration::from_millis(way.filed)).await;
            let filed = Write::put(journal_row(way));
            journal.0.commit(&[filed]).await.unwrap();
        });
        let handling = ways
            .iter()
            .flat_map(|way| way.handled.iter().map(move |at| (way, at)));
        let handling = handling.map(async |(way, at)| {
            sleep(Duration::from_millis(*at)).await;
            handle(store.clone(), clock, way).await;
        });
        let building = async {
            sleep(Duration::from_millis(begins)).await;
            for kill in kills {
                let killed = rebuild(&journal, &store, clock);
                let _ = timeout(Duration::from_millis(*kill), killed).await;
            }
            if finish {
                rebuild(&journal, &store, clock).await.unwrap();
            }
        };
        let _ = tokio::join!(join_all(filing), join_all(handling), building);
        let generations = pointer(&store).await.unwrap();
        let [rows, recount] = rows_and_recount(&journal, &store, generations.serving);
        assert_eq!(rows, recount, "{generations:?}");
        if finish {
            assert_eq!(
                (generations.building, generations.serving > Generation(1)),
                (None, true)
            );
        }
        let report = check(&journal, &store, Duration::from_millis(1))
            .await
            .unwrap();
        assert_eq!(report.differences, []);
        assert_eq!(report.orders, recount.len() as u64);
    });
}

fn ways() -> impl Strategy<Value = Vec<Way>> {
    // The journal may be far behind, and so may listing; some messages come several times.
    let moment = prop_oneof![0_u64..1_500, 0_u64..20_000];
    let handled = proptest::collection::vec(moment.clone(), 1..3);
    let way = (0_u8..4, 0_u8..7, moment, handled).prop_map(|(order, event, filed, handled)| Way {
        order,
        event,
        filed,
        handled,
    });
    proptest::collection::vec(way, 1..14).prop_map(|mut ways| {
        let mut seen = std::collections::BTreeSet::new();
        ways.retain(|way| seen.insert(way.id()));
        ways
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn in_every_interleaving_what_serves_equals_a_recount(
        seed in any::<u64>(),
        ways in ways(),
        begins in 0_u64..2_000,
        kills in proptest::collection::vec(1_u64..4_000, 0..4),
        finish in proptest::bool::weighted(0.8),
    ) {
        play(seed, &ways, begins, &kills, finish);
    }
}

/// The case that the log is for: handled before the rebuild, filed after it has read the journal.
#[test]
fn an_event_that_the_journal_files_late_is_in_the_new_generation() {
    let way = |event, filed| Way {
        order: 1,
        event,
        filed,
        handled: vec![0],
    };
    play(1, &[way(0, 0), way(1, 60_000)], 1_000, &[], true);
}

/// A table, as an invocation sees it that takes its time between looking and writing.
#[derive(Debug, Clone)]
struct Late(Slow);

impl Store for Late {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        sleep(GRACE.mul_f64(0.8)).await;
        self.0.commit(writes).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        self.0.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.0.query(query).await
    }
}

/// It writes into the old generation alone, and after all else of the rebuild is done.
#[tokio::test(start_paused = true)]
async fn an_invocation_that_has_not_seen_the_new_pointer_is_waited_for() {
    let (journal, store) = (filed(1).await, Slow::new());
    let way = Way {
        order: 0,
        event: 1,
        filed: u64::MAX,
        handled: Vec::new(),
    };
    let handling = handle(Late(store.clone()), clock(), &way);
    let rebuilding = async {
        // Once it has looked.
        sleep(Duration::from_millis(100)).await;
        rebuild(&journal, &store, clock()).await.unwrap();
    };
    tokio::join!(handling, rebuilding);
    let late = Write::put(journal_row(&way));
    journal.0.commit(&[late]).await.unwrap();
    let [rows, recount] = rows_and_recount(&journal, &store, Generation(2));
    assert_eq!(rows, recount);
}

fn clock() -> Clock {
    Clock::at(NOW)
}

async fn filed(count: u8) -> Slow {
    let journal = Slow::new();
    for order in 0..count {
        let way = Way {
            order,
            event: 0,
            filed: 0,
            handled: Vec::new(),
        };
        let row = Write::put(journal_row(&way));
        journal.0.commit(&[row]).await.unwrap();
    }
    journal
}

#[tokio::test(start_paused = true)]
async fn a_killed_rebuild_does_not_read_again_what_it_has_read() {
    let (journal, store) = (filed(100).await, Slow::new());
    let first = Rebuild::begin(store.clone(), clock()).await.unwrap();
    let killed = first.fill(&journal, Some(1), |_| {});
    assert!(timeout(Duration::from_millis(900), killed).await.is_err());
    let noted: i64 = store
        .0
        .rows("rebuild#g2")
        .iter()
        .map(|row| row["events"].as_i64().unwrap())
        .sum();
    assert!((1..100).contains(&noted), "{noted}");

    let before = journal.0.round_trips();
    let again = Rebuild::begin(store.clone(), clock()).await.unwrap();
    assert!(again.is_resumed() && again.generation() == first.generation());
    let progress = again.fill(&journal, Some(1), |_| {}).await.unwrap();
    assert_eq!((progress.events, progress.parts), (100, 8));
    assert_eq!(i64::try_from(progress.before), Ok(noted));
    let read = journal.0.round_trips() - before;
    // One call more for each part, to see that nothing follows.
    assert!(
        read <= 100 - usize::try_from(noted).unwrap() + 8,
        "{read} reads after {noted}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_that_lay_for_a_day_is_begun_anew_and_the_old_one_finds_out() {
    let (journal, store) = (filed(3).await, Slow::new());
    let old = Rebuild::begin(store.clone(), clock()).await.unwrap();
    let later = Clock::at(NOW + 25 * 3_600_000);
    let new = Rebuild::begin(store.clone(), later).await.unwrap();
    assert_eq!(
        (old.generation(), new.generation()),
        (Generation(2), Generation(3))
    );
    assert!(matches!(old.flip().await, Err(RebuildError::Overtaken)));
    new.fill(&journal, None, |_| {}).await.unwrap();
    new.flip().await.unwrap();
    // A second time, as after an answer that was lost.
    new.flip().await.unwrap();
    assert_eq!(pointer(&store).await.unwrap().serving, Generation(3));
}

#[tokio::test(start_paused = true)]
async fn what_serves_no_more_is_given_a_time_to_go() {
    let (journal, store) = (filed(5).await, Slow::new());
    rebuild(&journal, &store, clock()).await.unwrap();
    rebuild(&journal, &store, clock()).await.unwrap();
    let expires = |prefix: &str| {
        let rows = store.0.rows(prefix);
        assert_eq!(rows.len(), 5);
        rows.iter()
            .filter(|row| row.contains_key("expiresAt"))
            .count()
    };
    assert_eq!((expires("g2#order#"), expires("g3#order#")), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_check_names_what_differs() {
    let (journal, store) = (filed(4).await, Slow::new());
    rebuild(&journal, &store, clock()).await.unwrap();
    let key = |n: u8| Key::new(format!("g2#order#o-{n}"));
    let stray = Row::new(key(9)).set("facts", "{}").set("version", 1_i64);
    let damage = [
        Write::delete(key(0)),
        Write::update(key(1)).set(STATE_AND_DAY, "g2#cancelled#2026-11-24"),
        Write::update(key(2)).set("facts", "?"),
        Write::put(stray),
    ];
    store.0.commit(&damage).await.unwrap();
    let report = check(&journal, &store, Duration::from_millis(1))
        .await
        .unwrap();
    assert_eq!((report.events, report.orders), (4, 4));
    let found = report
        .differences
        .iter()
        .map(|it| (it.order.as_str(), it.words().concat()));
    let found: BTreeMap<_, _> = found.collect();
    assert_eq!(
        found.keys().copied().collect::<Vec<_>>(),
        ["o-0", "o-1", "o-2", "o-9"]
    );
    assert_eq!(found["o-0"], "it has no row");
    assert_eq!(
        found["o-1"],
        "stateDay is g2#cancelled#2026-11-24, and should be g2#placed#2026-11-24"
    );
    assert!(found["o-2"].starts_with("facts is ?, and should be {"));
    assert_eq!(found["o-9"], "the journal has no event of it");
}

#[tokio::test(start_paused = true)]
async fn a_row_of_the_journal_that_cannot_be_read_is_not_passed_over() {
    let (journal, store) = (filed(2).await, Slow::new());
    let broken = Row::new(Key::of("order#o-1", "x")).set("body", Value::from("?"));
    journal.0.commit(&[Write::put(broken)]).await.unwrap();
    let refused = rebuild(&journal, &store, clock()).await;
    assert!(matches!(refused, Err(RebuildError::NoEnvelope(row)) if row == "order#o-1 / x"));
    assert_eq!(pointer(&store).await.unwrap().serving, Generation(1));
}
