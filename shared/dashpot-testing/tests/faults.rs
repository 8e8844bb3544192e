//! What each fault does to a call, and to the process that makes it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use dashpot::{CommitError, Key, Query, Row, Store, Write};
use dashpot_testing::MemoryStore;
use dashpot_testing::fault::{Fault, Faults, crash_points};
use tokio::time::{Instant, timeout};

const SLOW: Duration = Duration::from_mins(1);

fn put(name: &str) -> [Write; 1] {
    [Write::put(Row::new(Key::new(name)))]
}

/// Makes one call under one fault: how it ended for the caller, who waits for a second, and whether it acted.
async fn one_call(fault: Fault) -> (Option<Result<(), CommitError>>, bool) {
    let table = Arc::new(MemoryStore::new());
    let faults = Faults::new("test", move |_| Some(fault));
    let store = faults.store(Arc::clone(&table));
    let patient = async {
        timeout(Duration::from_secs(1), store.commit(&put("row")))
            .await
            .ok()
    };
    let ended = faults.run(patient).await.ok().flatten();
    (ended, table.row(&Key::new("row")).is_some())
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_hears_and_what_has_happened_is_each_faults_own() {
    use CommitError::{Conflict, Throttled, Unknown};
    for fault in Fault::each(SLOW) {
        let (heard, acted) = one_call(fault).await;
        let as_told = match fault {
            Fault::FailBefore | Fault::Reset => matches!(heard, Some(Err(Unknown(_)))) && !acted,
            Fault::LoseAnswer => matches!(heard, Some(Err(Unknown(_)))) && acted,
            Fault::Throttle => matches!(heard, Some(Err(Throttled))) && !acted,
            Fault::Conflict => matches!(heard, Some(Err(Conflict))) && !acted,
            Fault::Delay(_) | Fault::KillAfter => heard.is_none() && acted,
            Fault::Late(_) | Fault::KillBefore | Fault::Orphan(_) => heard.is_none() && !acted,
        };
        assert!(as_told, "{fault:?}: heard {heard:?}, acted {acted}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_call_arrives_though_nobody_waits_for_it_any_more() {
    let table = Arc::new(MemoryStore::new());
    let faults = Faults::new("test", |_| Some(Fault::Late(SLOW)));
    let store = faults.store(Arc::clone(&table));
    let sent = timeout(Duration::from_secs(1), store.commit(&put("row"))).await;
    assert!(sent.is_err());
    tokio::time::sleep(SLOW).await;
    assert!(table.row(&Key::new("row")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_arrives_though_its_process_has_ended() {
    let table = Arc::new(MemoryStore::new());
    let faults = Faults::new("test", |_| Some(Fault::Orphan(SLOW)));
    let store = faults.store(Arc::clone(&table));
    assert!(faults.run(store.commit(&put("row"))).await.is_err());
    assert!(table.row(&Key::new("row")).is_none());
    tokio::time::sleep(SLOW * 2).await;
    assert!(table.row(&Key::new("row")).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_only_slow_is_an_answer() {
    let faults = Faults::new("test", |_| Some(Fault::Delay(SLOW)));
    let store = faults.store(Arc::new(MemoryStore::new()));
    let start = Instant::now();
    store.commit(&put("row")).await.unwrap();
    assert_eq!(start.elapsed(), SLOW);
    assert_eq!(store.get(&[Key::new("row")]).await.unwrap().len(), 1);
    assert!(store.query(&Query::partition("row")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_dead_process_goes_on() {
    let table = Arc::new(MemoryStore::new());
    let faults = Faults::new("test", |call| (call.index == 0).then_some(Fault::KillAfter));
    let store = faults.store(Arc::clone(&table));
    let (first, second) = (put("first"), put("second"));
    let both = async { tokio::join!(store.commit(&first), store.commit(&second)) };
    assert!(faults.run(both).await.is_err());
    tokio::time::sleep(SLOW).await;
    assert_eq!((table.round_trips(), faults.calls()), (1, 1));
    // Whoever still holds on to it outside waits for ever.
    let after = timeout(SLOW, store.commit(&put("third"))).await;
    assert!(after.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_in_the_poll_that_kills_it_has_not_ended_well() {
    let faults = Faults::new("test", |_| Some(Fault::KillBefore));
    let store = faults.store(Arc::new(MemoryStore::new()));
    let impatient = async {
        tokio::select! {
            biased;
            _ = store.commit(&[]) => unreachable!("it is killed before"),
            () = async { while !faults.is_dead() { tokio::task::yield_now().await } } => {}
        }
    };
    assert!(faults.run(impatient).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_added_is_covered_by_itself() {
    let points_of = |calls: usize| async move {
        crash_points(&Fault::each(SLOW), async |trial| {
            let process = trial.process("test", "event");
            let store = process.store(Arc::new(MemoryStore::new()));
            let all = async {
                for call in 0..calls {
                    let _ = store.commit(&put(&call.to_string())).await;
                }
            };
            let _ = process.run(all).await;
        })
        .await
    };
    assert_eq!(points_of(1).await.len(), 10);
    let points = points_of(3).await;
    assert_eq!(points.len(), 30);
    let said: Vec<String> = points.iter().map(ToString::to_string).collect();
    assert_eq!(said[0], "test at event, call 0 (store.commit): FailBefore");
}
