//! SNS in memory: one topic, a subscription per consumer with its filter policy, raw delivery.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashpot::MessageAttribute;
use dashpot_testing::{Outgoing, SimQueue};
use serde::Deserialize;

/// What a batch holds at most: <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>.
const MOST_ENTRIES: usize = 10;

/// How late a delivery may be, so that what was said later may arrive earlier.
const LATEST: u64 = 5;

/// A message as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The envelope.
    pub body: String,
    /// `type`, `version`, ..
    pub attributes: BTreeMap<String, (&'static str, String)>,
    /// The customer.
    pub group: Option<String>,
}

impl From<Published> for Outgoing {
    fn from(message: Published) -> Self {
        let attributes = message
            .attributes
            .into_iter()
            .map(|(name, (data_type, value))| {
                let attribute = MessageAttribute {
                    data_type: data_type.to_owned(),
                    string_value: Some(value),
                    binary_value: None,
                };
                (name, attribute)
            });
        Self {
            body: message.body,
            attributes: attributes.collect(),
            group: message.group,
            ..Self::default()
        }
    }
}

/// An event that the topic has taken, once for each time that it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The event's id.
    pub id: String,
    /// Its name.
    pub event_type: String,
    /// The envelope.
    pub body: String,
}

/// The topic.
#[derive(Debug, Default)]
pub struct Topic {
    subscriptions: Mutex<Vec<Subscription>>,
    taken: Mutex<Vec<Taken>>,
}

#[derive(Debug)]
struct Subscription {
    filter: Option<BTreeSet<String>>,
    queue: Arc<SimQueue>,
}

impl Topic {
    /// From now on the queue gets what the filter lets through.
    pub fn subscribe(&self, filter: Option<BTreeSet<String>>, queue: &Arc<SimQueue>) {
        lock(&self.subscriptions).push(Subscription {
            filter,
            queue: Arc::clone(queue),
        });
    }

    /// From now on the queue gets nothing.
    pub fn unsubscribe(&self, queue: &Arc<SimQueue>) {
        lock(&self.subscriptions).retain(|it| !Arc::ptr_eq(&it.queue, queue));
    }

    /// Takes a batch.
    ///
    /// # Panics
    /// When SNS would refuse it as a whole: the relay must never send such a batch.
    pub fn publish(&self, batch: &[Published]) {
        assert!(
            (1..=MOST_ENTRIES).contains(&batch.len()),
            "a batch of {}",
            batch.len()
        );
        for message in batch {
            self.publish_one(message);
        }
    }

    fn publish_one(&self, message: &Published) {
        self.deliver(message);
        let event_type = message.attributes.get("type");
        lock(&self.taken).push(Taken {
            id: event_id(&message.body),
            event_type: event_type
                .map(|(_, value)| value.clone())
                .unwrap_or_default(),
            body: message.body.clone(),
        });
    }

    /// Sends a message to every queue whose filter lets it through.
    pub fn deliver(&self, message: &Published) {
        let event_type = message.attributes.get("type").map(|(_, value)| value);
        for subscription in lock(&self.subscriptions).iter() {
            let passes = subscription.filter.as_ref().is_none_or(|filter| {
                event_type.is_some_and(|event_type| filter.contains(event_type))
            });
            if !passes {
                continue;
            }
            let outgoing = Outgoing {
                delay: Some(Duration::from_secs(fastrand::u64(..=LATEST))),
                ..message.clone().into()
            };
            subscription.queue.send(outgoing).unwrap();
        }
    }

    /// Everything that was ever published, in order.
    pub fn taken(&self) -> Vec<Taken> {
        lock(&self.taken).clone()
    }

    /// Delivers everything of that event once more, as SNS may.
    pub fn deliver_again(&self, nth: usize) {
        let again = lock(&self.taken).get(nth).cloned();
        if let Some(taken) = again {
            self.publish_one(&Published {
                attributes: [("type".to_owned(), ("String", taken.event_type))].into(),
                body: taken.body,
                group: None,
            });
        }
    }
}

/// The id that consumers know an event by: of its metadata, or of its content.
fn event_id(body: &str) -> String {
    #[derive(Deserialize)]
    struct Body {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        id: Option<String>,
    }
    let read: Body = serde_json::from_str(body).unwrap();
    read.metadata.id.unwrap_or_else(|| {
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, body.as_bytes()).to_string()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
