//! What stands between production code and the network: the client libraries, with their time-outs and repeats.
//!
//! The SDK's settings are those of `dashpot::aws::config`: 3 s an attempt, 10 s an operation, 3 attempts with a jittered
//! pause that doubles. A transaction carries a token of its own, so that its repeat by the SDK acts once; a single
//! conditional write carries none, and its repeat is refused by what the first one wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use analytics::archive::{Archive, NotArchived};
use dashpot::{
    CommitError, Item, Key, Message, Page, ParkNote, Query, Queue, QueueError, Store, StoreError,
    Write,
};
use dashpot_testing::fault::Faults;
use dashpot_testing::{MemoryStore, Outgoing, SimPort, SimQueue};
use email::letter::Letter;
use email::mailer::{MailError, Mailer};
use invoices::cabinet::{Cabinet, Kept, NotKept};
use payment_gateway::{Authorisation, Gateway, GatewayError, Intent, IntentId, OrderId, Refund};
use quotes::replies::{NotReplied, Replies};
use relay::dead_letters::{DeadLetters, NotParked};
use relay::fate::Fate;
use relay::outbox::{Event, Inserted};
use relay::queues::{Queues, delay, unknown};
use relay::schedules::Schedules;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Shop;
use super::agenda::{Agenda, Appointment};
use super::bucket::Bucket;
use super::letterbox::Letterbox;
use super::provider::Provider;
use super::topic::{Published, Topic};
use dashpot_testing::fault::{Fault, FaultyQueue};

const ATTEMPT: Duration = Duration::from_secs(3);
const OPERATION: Duration = Duration::from_secs(10);

/// How the SDK of AWS makes a call.
#[derive(Debug, Clone)]
pub(super) struct Sdk {
    faults: Faults,
    attempts: u32,
}

impl Sdk {
    pub(super) fn new(faults: &Faults, attempts: u32) -> Self {
        Self {
            faults: faults.clone(),
            attempts,
        }
    }

    /// Makes a call, and again while it `failed` in a way that may pass.
    async fn call<T, F: Future<Output = T>>(
        &self,
        mut attempt: impl FnMut() -> F,
        failed: impl Fn(&T) -> bool,
        silence: impl Fn() -> T,
    ) -> T {
        let end = Instant::now() + OPERATION;
        let mut pause = Duration::from_secs(1);
        for number in 1.. {
            let until = end.min(Instant::now() + ATTEMPT);
            let answer = timeout_at(until, attempt()).await;
            let answer = answer.unwrap_or_else(|_| silence());
            let wait = pause.mul_f64(fastrand::f64());
            if !failed(&answer) || number >= self.attempts || Instant::now() + wait >= end {
                return answer;
            }
            sleep(wait).await;
            pause *= 2;
        }
        silence()
    }
}

/// DynamoDB, through the SDK.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) sdk: Sdk,
    pub(super) table: Arc<MemoryStore>,
}

/// Notes that a transaction happened, as its token does on DynamoDB's side.
#[derive(Clone)]
struct Tokened {
    table: Arc<MemoryStore>,
    happened: Arc<AtomicBool>,
}

impl Store for Tokened {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        // One write is no transaction, and has no token.
        if writes.len() > 1 && self.happened.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.table.commit(writes).await?;
        self.happened.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        self.table.get(keys).await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        self.table.query(query).await
    }
}

impl Store for Table {
    async fn commit(&self, writes: &[Write]) -> Result<(), CommitError> {
        let store = self.sdk.faults.store(Tokened {
            table: Arc::clone(&self.table),
            happened: Arc::default(),
        });
        let failed = |answer: &Result<(), CommitError>| {
            matches!(
                answer,
                Err(CommitError::Unknown(_) | CommitError::Throttled)
            )
        };
        let silence = || Err(CommitError::Unknown("no answer in time".into()));
        self.sdk
            .call(|| store.commit(writes), failed, silence)
            .await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, StoreError> {
        let store = self.sdk.faults.store(Arc::clone(&self.table));
        let silence = || Err(StoreError("no answer in time".into()));
        self.sdk
            .call(|| store.get(keys), Result::is_err, silence)
            .await
    }

    async fn query(&self, query: &Query) -> Result<Page, StoreError> {
        let store = self.sdk.faults.store(Arc::clone(&self.table));
        let silence = || Err(StoreError("no answer in time".into()));
        self.sdk
            .call(|| store.query(query), Result::is_err, silence)
            .await
    }
}

/// SQS, through the SDK.
#[derive(Debug)]
pub(super) struct QueuePort {
    pub(super) sdk: Sdk,
    pub(super) port: FaultyQueue<SimPort>,
}

impl Queue for QueuePort {
    async fn delay(&self, delays: &[(&str, Duration)]) {
        self.sdk
            .call(|| self.port.delay(delays), |()| false, || ())
            .await;
    }

    async fn delete(&self, receipts: &[&str]) -> Result<(), QueueError> {
        let silence = || Err(QueueError("no answer in time".into()));
        self.sdk
            .call(|| self.port.delete(receipts), Result::is_err, silence)
            .await
    }

    async fn park(&self, message: &Message<'_>, note: &ParkNote<'_>) -> Result<(), QueueError> {
        let silence = || Err(QueueError("no answer in time".into()));
        self.sdk
            .call(|| self.port.park(message, note), Result::is_err, silence)
            .await
    }
}

/// SNS, through the SDK.
#[derive(Debug)]
pub(super) struct TopicPort {
    pub(super) sdk: Sdk,
    pub(super) topic: Arc<Topic>,
}

impl relay::topic::Topic for TopicPort {
    async fn publish(&self, events: &[&Event<'_>]) -> Vec<Fate> {
        let batch: Vec<Published> = events.iter().map(|event| published(event)).collect();
        let all = |fate: Fate| vec![fate; batch.len()];
        let attempt = || {
            let (topic, entries) = (Arc::clone(&self.topic), batch.clone());
            let act = async move {
                topic.publish(&entries);
                Ok(vec![Fate::Published; entries.len()])
            };
            let error = |fault: Fault| match fault {
                // SNS takes some entries of a batch and refuses others.
                Fault::Conflict => {
                    let mut fates = all(Fate::Published);
                    fates[0] = Fate::Failed("InternalError".into());
                    if batch.len() > 1 {
                        self.topic.publish(&batch[1..]);
                    }
                    Ok(fates)
                }
                fault => Err(fault.to_string()),
            };
            self.sdk.faults.call("topic.publish", act, error)
        };
        let silence = || Err("no answer in time".to_owned());
        let answer = self.sdk.call(attempt, Result::is_err, silence).await;
        answer.unwrap_or_else(|error| all(Fate::Failed(error)))
    }
}

fn published(event: &Event<'_>) -> Published {
    Published {
        body: event.body.to_string(),
        attributes: event
            .attributes()
            .map(|it| (it.name.to_owned(), (it.data_type, it.value.to_owned())))
            .collect(),
        group: event.group.as_deref().map(str::to_owned),
    }
}

/// SQS, through the SDK, for the relay's commands.
#[derive(Debug)]
pub(super) struct QueuesPort {
    pub(super) sdk: Sdk,
    pub(super) shop: Arc<Shop>,
}

impl Queues for QueuesPort {
    async fn send(&self, to: &str, commands: &[&Event<'_>], now: u64) -> Vec<Fate> {
        assert!((1..=10).contains(&commands.len()), "{}", commands.len());
        let Some((name, (queue, _))) = self.shop.queues.get_key_value(to) else {
            return vec![unknown(to); commands.len()];
        };
        let told = self.shop.blueprint.commanded.contains(*name);
        assert!(told, "template.yaml does not tell the relay of {to}");
        let batch = commands.iter().map(|command| Outgoing {
            delay: Some(delay(command, now)),
            ..published(command).into()
        });
        let batch: Vec<Outgoing> = batch.collect();
        let all = |fate: Fate| vec![fate; batch.len()];
        let take = |queue: &SimQueue, batch: &[Outgoing]| {
            for outgoing in batch {
                queue.send(outgoing.clone()).unwrap();
            }
        };
        let attempt = || {
            let (queue, entries) = (Arc::clone(queue), batch.clone());
            let act = async move {
                take(&queue, &entries);
                Ok(vec![Fate::Published; entries.len()])
            };
            let error = |fault: Fault| match fault {
                // SQS takes some entries of a batch and refuses others.
                Fault::Conflict => {
                    let mut fates = all(Fate::Published);
                    fates[0] = Fate::Failed("InternalError".into());
                    take(&self.shop.queues[to].0, &batch[1..]);
                    Ok(fates)
                }
                fault => Err(fault.to_string()),
            };
            self.sdk.faults.call("queues.send", act, error)
        };
        let silence = || Err("no answer in time".to_owned());
        let answer = self.sdk.call(attempt, Result::is_err, silence).await;
        answer.unwrap_or_else(|error| all(Fate::Failed(error)))
    }
}

/// `EventBridge` Scheduler, through the SDK.
#[derive(Debug)]
pub(super) struct SchedulesPort {
    pub(super) sdk: Sdk,
    pub(super) agenda: Arc<Agenda>,
}

impl SchedulesPort {
    async fn call(
        &self,
        operation: &'static str,
        act: impl Fn(&Agenda) + Clone + Send + 'static,
    ) -> Fate {
        let attempt = || {
            let (agenda, act) = (Arc::clone(&self.agenda), act.clone());
            let act = async move {
                act(&agenda);
                Ok(())
            };
            self.sdk
                .faults
                .call(operation, act, |fault: Fault| Err(fault.to_string()))
        };
        let silence = || Err("no answer in time".to_owned());
        match self.sdk.call(attempt, Result::is_err, silence).await {
            Ok(()) => Fate::Published,
            Err(error) => Fate::Failed(error),
        }
    }
}

impl Schedules for SchedulesPort {
    async fn create(&self, name: &str, to: &str, command: &Event<'_>, due: u64) -> Fate {
        let appointment = Appointment {
            to: to.to_owned(),
            body: command.body.to_string(),
            due,
        };
        let name = name.to_owned();
        let act = move |agenda: &Agenda| agenda.add(&name, appointment.clone());
        self.call("schedules.create", act).await
    }

    async fn delete(&self, name: &str) -> Fate {
        let name = name.to_owned();
        let act = move |agenda: &Agenda| agenda.remove(&name);
        self.call("schedules.delete", act).await
    }
}

/// SQS, through the SDK, for answers.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) sdk: Sdk,
    pub(super) replies: Arc<SimQueue>,
}

impl Replies for Post {
    async fn send(&self, to: &str, answer: &str) -> Result<(), NotReplied> {
        assert_eq!(to, self.replies.settings().name);
        let attempt = || {
            let (replies, answer) = (Arc::clone(&self.replies), answer.to_owned());
            let act = async move {
                replies.send(Outgoing::new(answer)).unwrap();
                Ok(())
            };
            let error = |fault: Fault| Err(NotReplied::Unknown(fault.to_string()));
            self.sdk.faults.call("replies.send", act, error)
        };
        let silence = || Err(NotReplied::Unknown("no answer in time".into()));
        self.sdk.call(attempt, Result::is_err, silence).await
    }
}

/// The relay's dead-letter queue. Nothing in the shop is unpublishable.
#[derive(Debug)]
pub(super) struct NoDeadLetters;

impl DeadLetters for NoDeadLetters {
    async fn park(&self, row: &Inserted<'_>, note: &ParkNote<'_>) -> Result<(), NotParked> {
        panic!("the relay parks {:?}: {}", row.event_id, note.detail);
    }
}

/// SES, through the SDK.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) sdk: Sdk,
    pub(super) letterbox: Arc<Letterbox>,
}

impl Mailer for Carrier {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let attempt = || {
            let (letterbox, letter) = (Arc::clone(&self.letterbox), letter.clone());
            let act = async move {
                letterbox.carry(&letter);
                Ok(())
            };
            let error = |fault: Fault| match fault {
                Fault::Throttle | Fault::Conflict => Err(MailError::NotNow("TooManyRequests")),
                fault => Err(MailError::Unknown(fault.to_string().into())),
            };
            self.sdk.faults.call("mailer.send", act, error)
        };
        let silence = || Err(MailError::Unknown("no answer in time".into()));
        self.sdk.call(attempt, Result::is_err, silence).await
    }
}

/// S3, through the SDK.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) sdk: Sdk,
    pub(super) bucket: Arc<Bucket>,
}

impl Archive for Shelf {
    async fn put(&self, key: &str, body: String) -> Result<(), NotArchived> {
        let attempt = || {
            let (bucket, key, body) = (Arc::clone(&self.bucket), key.to_owned(), body.clone());
            let act = async move {
                bucket.put(&key, body.into_bytes());
                Ok(())
            };
            let error = |fault: Fault| Err(NotArchived(fault.to_string()));
            self.sdk.faults.call("archive.put", act, error)
        };
        let silence = || Err(NotArchived("no answer in time".into()));
        self.sdk.call(attempt, Result::is_err, silence).await
    }
}

impl Cabinet for Shelf {
    async fn put_new(&self, key: &str, document: Vec<u8>) -> Result<Kept, NotKept> {
        let attempt = || {
            let (bucket, key, document) =
                (Arc::clone(&self.bucket), key.to_owned(), document.clone());
            let act = async move {
                let is_new = bucket.put_new(&key, document);
                Ok(if is_new { Kept::Now } else { Kept::Before })
            };
            let error = |fault: Fault| Err(NotKept(fault.to_string()));
            self.sdk.faults.call("cabinet.put_new", act, error)
        };
        let silence = || Err(NotKept("no answer in time".into()));
        self.sdk.call(attempt, Result::is_err, silence).await
    }
}

/// The provider over HTTP, as `Stripe` calls it: one try, and a time-out.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) faults: Faults,
    pub(super) provider: Arc<Provider>,
    pub(super) timeout: Duration,
}

impl Wire {
    async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        act: impl FnOnce(&Provider) -> Result<T, GatewayError> + Send + 'static,
    ) -> Result<T, GatewayError> {
        let provider = Arc::clone(&self.provider);
        let act = async move { act(&provider) };
        let error = |fault: Fault| {
            Err(match fault {
                // Not connected; or HTTP 409, `lock_timeout`.
                Fault::FailBefore | Fault::Conflict => {
                    GatewayError::Unavailable(fault.to_string().into())
                }
                Fault::Throttle => GatewayError::RateLimited,
                fault => GatewayError::Unknown(fault.to_string().into()),
            })
        };
        timeout(self.timeout, self.faults.call(operation, act, error))
            .await
            .unwrap_or_else(|_| Err(GatewayError::Unknown("no answer in time".into())))
    }
}

impl Gateway for Wire {
    async fn authorise(&self, what: &Authorisation) -> Result<Intent, GatewayError> {
        let what = what.clone();
        self.call("provider.authorise", move |it| it.authorise(&what))
            .await
    }

    async fn capture(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        let (id, key) = (id.clone(), key.to_owned());
        self.call("provider.capture", move |it| it.capture(&id, &key))
            .await
    }

    async fn cancel(&self, id: &IntentId, key: &str) -> Result<Intent, GatewayError> {
        let (id, key) = (id.clone(), key.to_owned());
        self.call("provider.cancel", move |it| it.cancel(&id, &key))
            .await
    }

    async fn refund(&self, id: &IntentId, key: &str) -> Result<Refund, GatewayError> {
        let (id, key) = (id.clone(), key.to_owned());
        self.call("provider.refund", move |it| it.refund(&id, &key))
            .await
    }

    async fn retrieve(&self, id: &IntentId) -> Result<Intent, GatewayError> {
        let id = id.clone();
        self.call("provider.retrieve", move |it| it.retrieve(&id))
            .await
    }

    async fn find(&self, order_id: &OrderId) -> Result<Vec<Intent>, GatewayError> {
        let order_id = order_id.clone();
        self.call("provider.find", move |it| Ok(it.find(&order_id)))
            .await
    }
}
