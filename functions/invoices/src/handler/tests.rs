#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use dashpot::{Invocation, Recovery};
use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
use serde_json::{Value, json};

use super::*;
use crate::cabinet::{Kept, NotKept};
use crate::progress;

/// Documents by key, and how many of the next are taken but not confirmed.
#[derive(Debug, Default)]
struct Drawer {
    documents: Mutex<BTreeMap<String, Vec<u8>>>,
    silent: Mutex<u32>,
}

impl Cabinet for &Drawer {
    async fn put_new(&self, key: &str, document: Vec<u8>) -> Result<Kept, NotKept> {
        let mut documents = self.documents.lock().unwrap();
        let before = documents.contains_key(key);
        documents.entry(key.to_owned()).or_insert(document);
        let mut silent = self.silent.lock().unwrap();
        if *silent > 0 {
            *silent -= 1;
            return Err(NotKept("no answer".into()));
        }
        Ok(if before { Kept::Before } else { Kept::Now })
    }
}

#[derive(Default)]
struct Office {
    store: Arc<MemoryStore>,
    drawer: Drawer,
    queue: RecordingQueue,
}

impl Office {
    /// Hands over a batch; the ids of what comes back.
    async fn work(&self, jobs: &[Value]) -> Vec<String> {
        let seller = Seller::parse("Shop", "19").unwrap();
        let (store, queue) = (Arc::clone(&self.store), &self.queue);
        let consumer =
            crate::consumer(store, &self.drawer, seller, queue, Recovery::default()).log_to(|_| {});
        let deliveries: Vec<Delivery> = jobs
            .iter()
            .map(|job| Delivery::new(job["metadata"]["id"].as_str().unwrap(), job.to_string()))
            .collect();
        let event = sqs_event("invoices", &deliveries);
        let invocation = Invocation::default();
        let response = consumer.handle_batch(&event, &invocation).await;
        let failures = response.unwrap().batch_item_failures;
        failures.into_iter().map(|it| it.item_identifier).collect()
    }

    fn numbers(&self) -> BTreeSet<String> {
        let rows = self.store.rows("invoice#");
        let numbers = rows.iter().filter_map(|row| row.get("number")?.as_str());
        numbers.map(str::to_owned).collect()
    }

    async fn written(&self) -> u64 {
        progress::written(&self.store).await.unwrap()
    }
}

fn job(id: &str, order: &str) -> Value {
    json!({
        "type": "invoice.write",
        "payload": {
            "orderId": order, "userId": "u", "total": {"amount": 1190, "currency": "EUR"},
            "items": [{"sku": "chair", "quantity": 2, "unitPrice": {"amount": 595, "currency": "EUR"}}],
            "capturedAt": 1_793_611_800_000_u64,
        },
        "metadata": {"id": id, "timestamp": 1, "version": 1},
    })
}

#[tokio::test]
async fn a_job_is_one_document_however_often_it_comes() {
    let office = Office::default();
    let (first, again) = (job("e-1", "1"), job("e-2", "1"));
    for batch in [&[first.clone()][..], &[first.clone(), again], &[first]] {
        assert!(office.work(batch).await.is_empty());
    }
    let documents = office.drawer.documents.lock().unwrap().clone();
    assert_eq!(
        documents.keys().collect::<Vec<_>>(),
        ["invoices/2026/1.pdf"]
    );
    assert_eq!(office.numbers().len(), 1);
    assert_eq!(office.written().await, 1);
}

#[tokio::test]
async fn a_document_that_may_lie_there_is_neither_replaced_nor_given_up() {
    let office = Office::default();
    *office.drawer.silent.lock().unwrap() = 1;
    assert_eq!(office.work(&[job("e-1", "1")]).await, ["e-1"]);
    let before = office.drawer.documents.lock().unwrap().clone();
    assert_eq!(office.written().await, 0);
    assert!(office.work(&[job("e-1", "1")]).await.is_empty());
    assert_eq!(*office.drawer.documents.lock().unwrap(), before);
    assert_eq!(office.written().await, 1);
    let order = "1".parse().unwrap();
    let written = progress::of(&office.store, &order).await.unwrap().unwrap();
    assert_eq!(written.object, "invoices/2026/1.pdf");
}

#[tokio::test]
async fn each_series_counts_without_a_gap_also_when_its_orders_come_at_once() {
    let office = Office::default();
    let jobs: Vec<Value> = (0..100)
        .map(|n| job(&format!("e-{n}"), &n.to_string()))
        .collect();
    let mut left: Vec<Value> = jobs;
    for _ in 0..20 {
        let back = office.work(&left).await;
        left.retain(|job| back.iter().any(|id| job["metadata"]["id"] == id.as_str()));
    }
    assert!(left.is_empty(), "{left:?}");
    let mut series: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for number in office.numbers() {
        let (name, n) = number.rsplit_once('-').unwrap();
        assert!(
            series
                .entry(name.to_owned())
                .or_default()
                .insert(n.parse().unwrap())
        );
    }
    assert_eq!(series.values().map(BTreeSet::len).sum::<usize>(), 100);
    for (name, numbers) in series {
        let len = u32::try_from(numbers.len()).unwrap();
        assert!(numbers.into_iter().eq(1..=len), "{name}");
    }
}

#[tokio::test]
async fn an_invoice_that_does_not_add_up_is_not_written() {
    let office = Office::default();
    let mut wrong = job("e-1", "1");
    wrong["payload"]["total"]["amount"] = 1200.into();
    assert!(office.work(&[wrong]).await.is_empty());
    let parked = office.queue.parked();
    let detail = parked[0].note["detail"].as_str().unwrap();
    assert!(
        detail.contains("11.90 EUR, and 12.00 EUR was paid"),
        "{detail}"
    );
    assert!(office.drawer.documents.lock().unwrap().is_empty() && office.numbers().is_empty());
}
