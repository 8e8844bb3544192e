//! The work queue: 1,000 jobs, shared by competing consumers, under kills as well.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashpot::{Clock, Invocation, Recovery};
use dashpot_testing::fault::{Fault, Faults};
use dashpot_testing::{
    Function, FunctionError, MemoryStore, Outgoing, QueueSettings, SimQueue, SqsMapping,
};
use invoices::cabinet::{Cabinet, Kept, NotKept};
use invoices::seller::Seller;
use serde_json::json;
use system_tests::shop::BEGINNING;
use system_tests::shop::bucket::Bucket;
use tokio::time::sleep;

const JOBS: usize = 1000;
const WORKERS: usize = 10;

/// What all workers share.
struct Office {
    store: Arc<MemoryStore>,
    bucket: Arc<Bucket>,
    queue: Arc<SimQueue>,
    dead_letters: Arc<SimQueue>,
    /// Of a thousand calls, so many end the process, before they act or after.
    kills: u32,
    /// By worker, how many documents it was the first to put.
    written: Mutex<BTreeMap<usize, usize>>,
    killed: AtomicUsize,
}

/// An execution environment.
struct Worker {
    office: Arc<Office>,
    number: usize,
}

/// The bucket, as a worker reaches it in its time.
struct Way {
    office: Arc<Office>,
    worker: usize,
    faults: Faults,
}

impl Cabinet for Way {
    async fn put_new(&self, key: &str, document: Vec<u8>) -> Result<Kept, NotKept> {
        sleep(Duration::from_millis(fastrand::u64(20..200))).await;
        let (bucket, key) = (Arc::clone(&self.office.bucket), key.to_owned());
        let act = async move { Ok(bucket.put_new(&key, document)) };
        let error = |fault: Fault| Err(NotKept(fault.to_string()));
        let is_new = self.faults.call("cabinet.put_new", act, error).await?;
        let mut written = self.office.written.lock().unwrap();
        *written.entry(self.worker).or_default() += usize::from(is_new);
        Ok(if is_new { Kept::Now } else { Kept::Before })
    }
}

impl Function for Worker {
    async fn invoke(&self, event: &str, invocation: &Invocation) -> Result<String, FunctionError> {
        let kills = self.office.kills;
        let faults = Faults::new("invoices", move |_| {
            let kill = [Fault::KillBefore, Fault::KillAfter];
            (fastrand::u32(..1000) < kills).then(|| kill[fastrand::usize(..2)])
        });
        let way = Way {
            office: Arc::clone(&self.office),
            worker: self.number,
            faults: faults.clone(),
        };
        let consumer = invoices::consumer(
            faults.store(Arc::clone(&self.office.store)),
            way,
            Seller::parse("Shop", "19").unwrap(),
            faults.queue(self.office.queue.port(&self.office.dead_letters)),
            Recovery::default(),
        )
        .log_to(|_| {});
        let ended = faults.run(consumer.invoke(event, invocation)).await;
        ended.unwrap_or_else(|died| {
            self.office.killed.fetch_add(1, Ordering::Relaxed);
            Err(FunctionError::Exited(died.to_string()))
        })
    }
}

/// Has all jobs done, each of which is sent so many times.
async fn worked(kills: u32, copies: usize) -> Arc<Office> {
    fastrand::seed(7);
    dashpot::seed_ids(7);
    let clock = Clock::at(BEGINNING);
    let queue = |name: &str| {
        SimQueue::new(QueueSettings {
            visibility_timeout: Duration::from_mins(3),
            shuffled: true,
            clock,
            ..QueueSettings::standard(name)
        })
    };
    let office = Arc::new(Office {
        store: Arc::new(MemoryStore::new()),
        bucket: Arc::default(),
        queue: queue("invoices"),
        dead_letters: queue("invoices-dead-letters"),
        kills,
        written: Mutex::default(),
        killed: AtomicUsize::default(),
    });
    office.queue.redrive_to(&office.dead_letters, 60);
    for (order, copy) in (0..JOBS).flat_map(|order| (0..copies).map(move |copy| (order, copy))) {
        let body = json!({
            "type": "invoice.write",
            "payload": {
                "orderId": order.to_string(), "userId": "u", "total": {"amount": 595, "currency": "EUR"},
                "items": [{"sku": "chair", "quantity": 1, "unitPrice": {"amount": 595, "currency": "EUR"}}],
                "capturedAt": BEGINNING,
            },
            "metadata": {"id": format!("{order}-{copy}"), "timestamp": BEGINNING, "version": 1},
        });
        office.queue.send(Outgoing::new(body.to_string())).unwrap();
    }
    let mapping = SqsMapping {
        maximum_concurrency: Some(WORKERS),
        function_timeout: Duration::from_secs(30),
        report_batch_item_failures: true,
        ..SqsMapping::default()
    };
    let mut workers = 0;
    let make = || {
        workers += 1;
        Worker {
            office: Arc::clone(&office),
            number: workers,
        }
    };
    let done = async {
        while !office.queue.is_empty() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        refused = mapping.run(&office.queue, make) => panic!("{refused:?}"),
        () = done => {}
    }
    office
}

impl Office {
    /// One document a job, with a number of its own.
    fn check(&self) {
        assert!(self.dead_letters.is_empty());
        let documents = self.bucket.objects();
        let expected: BTreeSet<String> = (0..JOBS)
            .map(|it| format!("invoices/2026/{it}.pdf"))
            .collect();
        assert_eq!(documents.keys().cloned().collect::<BTreeSet<_>>(), expected);
        let rows = self.store.rows("invoice#");
        let numbers = rows.iter().filter_map(|row| row.get("number")?.as_str());
        assert_eq!(numbers.collect::<BTreeSet<_>>().len(), JOBS);
        let counted = self.store.rows("written#");
        let counted = counted
            .iter()
            .filter_map(|row| row.get("invoices")?.as_i64());
        assert_eq!(counted.sum::<i64>(), i64::try_from(JOBS).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn ten_workers_share_a_thousand_jobs_about_evenly() {
    let office = worked(0, 1).await;
    office.check();
    let written = office.written.lock().unwrap();
    assert_eq!(written.len(), WORKERS);
    assert_eq!(written.values().sum::<usize>(), JOBS);
    let fair = JOBS / WORKERS;
    for (worker, share) in written.iter() {
        assert!(
            share.abs_diff(fair) <= fair / 4,
            "worker {worker} wrote {share}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_document_a_job_whoever_dies_and_however_often_it_comes() {
    let office = worked(4, 3).await;
    let killed = office.killed.load(Ordering::Relaxed);
    assert!(killed > 20, "{killed} workers were killed");
    office.check();
}
