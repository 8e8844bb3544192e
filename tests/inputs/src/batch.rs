//! SQS's event, through a whole consumer: every message gets a verdict, and one message's fault is its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use dashpot::{Consumer, Envelope, Failure, Invocation, from_fn};
use dashpot_testing::RecordingQueue;
use serde::Deserialize;
use serde_json::Value;
use shop_events::ShopEvent;

/// A record, as far as the answer can name it.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "messageId")]
    id: String,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<Named>,
}

/// Ends as its event's id says.
async fn handle(event: Envelope<ShopEvent>) -> Result<(), Failure> {
    match event.metadata.id.len() % 3 {
        0 => Ok(()),
        1 => Err(Failure::retry("the other side is away")),
        _ => Err(Failure::permanent("no such thing")),
    }
}

/// # Panics
/// When a message of the batch has no verdict or more than one, or the answer names what it must not.
pub fn check(data: &[u8]) {
    let Ok(payload) = std::str::from_utf8(data) else {
        return;
    };
    let named: Option<Vec<String>> = strict_json::from_str::<Event>(payload)
        .ok()
        .map(|event| event.records.into_iter().map(|record| record.id).collect())
        .filter(|ids: &Vec<String>| ids.iter().all(|id| !id.is_empty()));
    let queue = RecordingQueue::new();
    let log = Arc::new(Mutex::new(String::new()));
    let lines = Arc::clone(&log);
    let consumer = Consumer::<_, Envelope<ShopEvent>>::new("inputs", from_fn(handle))
        .recovering(&queue)
        .log_to(move |text| lines.lock().unwrap().push_str(text));
    let answer = crate::block_on(consumer.handle_batch(payload, &Invocation::default()));
    let (ids, answer) = match (named, answer) {
        (Some(ids), Ok(answer)) => (ids, answer),
        (None, Err(error)) => return crate::is_discreet(&error.to_string(), payload),
        (named, answer) => panic!("{named:?} ends as {answer:?}"),
    };

    let failed: Vec<&str> = answer
        .batch_item_failures
        .iter()
        .map(|failure| failure.item_identifier.as_str())
        .collect();
    let known: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    assert!(failed.iter().all(|id| !id.is_empty() && known.contains(id)));
    let log = log.lock().unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |name| {
        let counts = lines.iter().filter_map(|line| line[name].as_u64());
        usize::try_from(counts.sum::<u64>()).unwrap()
    };
    assert_eq!(count("received"), ids.len());
    assert_eq!(count("failed"), failed.len());
    assert_eq!(count("parked"), queue.parked().len());
    let verdicts = ["processed", "duplicates", "failed", "parked"].map(count);
    assert_eq!(verdicts.iter().sum::<usize>(), ids.len());
    let parked = queue.parked();
    assert!(parked.iter().all(|it| known.contains(&*it.message_id)));
    let malformed = parked.iter().filter(|it| it.note["reason"] == "malformed");
    let details: BTreeSet<&str> = malformed
        .filter_map(|it| it.note["detail"].as_str())
        .collect();
    for detail in details {
        crate::is_discreet(detail, payload);
    }
}
