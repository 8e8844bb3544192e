//! A queue by SQS's rules.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use dashpot::Clock;
use md5::{Digest, Md5};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::batch::check_batch;
use super::error::SqsError;
use super::message::{LARGEST_MESSAGE, Message, Outgoing, Received, Snapshot};
use super::port::SimPort;
use super::settings::QueueSettings;
use super::state::{Arrival, LONGEST_VISIBILITY, State};

/// An SQS queue in memory, by the documented rules, on tokio's clock: under `start_paused` its time is virtual.
///
/// ```
/// use std::time::Duration;
/// use dashpot_testing::{Outgoing, QueueSettings, SimQueue};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), dashpot_testing::SqsError> {
/// let dead_letters = SimQueue::new(QueueSettings::standard("inventory-dead-letters"));
/// let queue = SimQueue::new(QueueSettings::standard("inventory"));
/// queue.redrive_to(&dead_letters, 1);
///
/// queue.send(Outgoing::new("poison"))?;
/// let received = queue.receive(10)?;
/// assert_eq!(received[0].receive_count, 1);
/// queue.change_visibility(&received[0].receipt, Duration::ZERO)?;
///
/// assert!(queue.receive(10)?.is_empty(), "it would be the second receive");
/// assert_eq!(dead_letters.messages()[0].message.body, "poison");
/// # Ok(())
/// # }
/// ```
pub struct SimQueue {
    settings: QueueSettings,
    state: Mutex<State>,
    redrive: OnceLock<(Arc<SimQueue>, u32)>,
    /// Something can be received sooner than was known.
    arrived: Notify,
    changed: Notify,
}

impl SimQueue {
    /// Creates a queue.
    ///
    /// # Panics
    /// On settings that SQS refuses: see [`create`](Self::create).
    #[must_use]
    pub fn new(settings: QueueSettings) -> Arc<Self> {
        Self::create(settings).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// Creates a queue.
    ///
    /// # Errors
    /// [`SqsError`] on settings that SQS refuses.
    pub fn create(settings: QueueSettings) -> Result<Arc<Self>, SqsError> {
        settings.check()?;
        let state = State::new(settings.fifo, settings.shuffled, settings.retention);
        Ok(Arc::new(Self {
            settings,
            state: Mutex::new(state),
            redrive: OnceLock::new(),
            arrived: Notify::new(),
            changed: Notify::new(),
        }))
    }

    /// Sets the redrive policy: the receive that would be one more than `max_receive_count` moves the message.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>
    ///
    /// # Panics
    /// When SQS would refuse it: a queue of the other kind, a count that is not 1 to 1,000; or at the second call.
    pub fn redrive_to(&self, dead_letters: &Arc<Self>, max_receive_count: u32) {
        assert_eq!(
            self.settings.fifo, dead_letters.settings.fifo,
            "a dead-letter queue is of the same kind as its source"
        );
        assert!(
            (1..=1000).contains(&max_receive_count),
            "maxReceiveCount is 1 to 1000"
        );
        let policy = (Arc::clone(dead_letters), max_receive_count);
        assert!(
            self.redrive.set(policy).is_ok(),
            "the queue has a redrive policy"
        );
    }

    /// What it was created with.
    #[must_use]
    pub fn settings(&self) -> &QueueSettings {
        &self.settings
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.settings.clock
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        format!(
            "arn:aws:sqs:eu-central-1:123456789012:{}",
            self.settings.name
        )
    }

    /// Sends a message; its id. A duplicate on a FIFO queue is accepted and discarded.
    ///
    /// # Errors
    /// [`SqsError`] when SQS does not take it.
    pub fn send(&self, outgoing: Outgoing) -> Result<String, SqsError> {
        outgoing.check(self.settings.fifo)?;
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(id) = &outgoing.deduplication_id
            && let Some(original) = state.duplicate_of(id, now)
        {
            return Ok(original);
        }
        let number = state.next_number();
        let message_id = self.message_id(number);
        let delay = outgoing.delay.unwrap_or(self.settings.delay);
        let message = Message {
            message_id: message_id.clone(),
            md5: md5(&outgoing.body),
            body: outgoing.body,
            attributes: outgoing.attributes,
            group: outgoing.group,
            deduplication_id: outgoing.deduplication_id,
            sequence_number: self.sequence_number(number),
            sent: self.settings.clock.now(),
            dead_letter_source: None,
        };
        let arrival = Arrival {
            message: Arc::new(message),
            enqueued: now,
            receive_count: 0,
            first_received: None,
        };
        state.add(arrival, delay, now);
        drop(state);
        self.stir();
        Ok(message_id)
    }

    /// Sends a batch of messages, each with an id of its own: what became of each.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
    ///
    /// # Errors
    /// [`SqsError`] when SQS refuses the batch as a whole.
    pub fn send_batch(
        &self,
        entries: Vec<(&str, Outgoing)>,
    ) -> Result<Vec<Result<String, SqsError>>, SqsError> {
        check_batch(entries.iter().map(|(id, _)| *id))?;
        let bytes = entries.iter().map(|(_, outgoing)| outgoing.bytes()).sum();
        if bytes > LARGEST_MESSAGE {
            return Err(SqsError::BatchRequestTooLong(bytes));
        }
        let sent = entries.into_iter().map(|(_, outgoing)| self.send(outgoing));
        Ok(sent.collect())
    }

    /// Receives at most `max` messages, without waiting.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
    ///
    /// # Errors
    /// [`SqsError`] when `max` is not 1 to 10, or too many messages are in flight.
    pub fn receive(&self, max: usize) -> Result<Vec<Received>, SqsError> {
        if !(1..=10).contains(&max) {
            return Err(SqsError::InvalidParameterValue(
                "MaxNumberOfMessages is 1 to 10".into(),
            ));
        }
        let most = self.redrive.get().map(|(_, most)| *most);
        let now = (Instant::now(), self.settings.clock.now());
        let (received, given_up) = self.lock().receive(
            max,
            most,
            self.settings.visibility_timeout,
            now,
            |number, receive| format!("AQEB-{}-{number}-{receive}", self.settings.name),
        )?;
        if let Some((dead_letters, _)) = self.redrive.get()
            && !given_up.is_empty()
        {
            dead_letters.take_over(given_up, &self.arn());
        }
        if !received.is_empty() {
            self.changed.notify_waiters();
        }
        Ok(received)
    }

    /// Receives at most `max` messages, as soon as there is one.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub async fn receive_when_any(&self, max: usize) -> Result<Vec<Received>, SqsError> {
        loop {
            let mut arrived = pin!(self.arrived.notified());
            arrived.as_mut().enable();
            let received = self.receive(max)?;
            if !received.is_empty() {
                return Ok(received);
            }
            let next = self.lock().next_visible();
            match next {
                Some(at) => tokio::select! {
                    biased;
                    () = arrived => {}
                    () = sleep_until(at) => {}
                },
                None => arrived.await,
            }
        }
    }

    /// Deletes a delivery; whether the message is gone. An old receipt handle deletes nothing, which is no error on a
    /// standard queue.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html>
    ///
    /// # Errors
    /// [`SqsError`] for what is no receipt handle of this queue or, on a FIFO queue, one that has expired.
    pub fn delete(&self, receipt: &str) -> Result<bool, SqsError> {
        let (number, receive) = self.read_receipt(receipt)?;
        let gone = self.lock().delete(number, receive);
        self.stir();
        gone
    }

    /// Hides a delivery for so long from now, or shows it at once; whole seconds count.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>
    ///
    /// # Errors
    /// [`SqsError`] when the message is not in flight under this receipt handle, or would be hidden for more than
    /// 12 hours since it was received.
    pub fn change_visibility(&self, receipt: &str, visibility: Duration) -> Result<(), SqsError> {
        let at = self.read_receipt(receipt)?;
        let visibility = Duration::from_secs(visibility.as_secs());
        if visibility > LONGEST_VISIBILITY {
            return Err(SqsError::InvalidParameterValue(
                "VisibilityTimeout is 0 to 43200".into(),
            ));
        }
        let changed = self
            .lock()
            .change_visibility(at, visibility, Instant::now());
        self.stir();
        changed
    }

    /// Shows a message that somebody has: at-least-once delivery, as a standard queue now and then does it. Whether
    /// such a message was in flight.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues-at-least-once-delivery.html>
    pub fn deliver_twice(&self, message_id: &str) -> bool {
        let shown = self.lock().show_again(message_id);
        self.stir();
        shown
    }

    /// Moves everything to another queue, as `StartMessageMoveTask` does: each message gets a new id, and its
    /// receives are counted anew. How many.
    ///
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html>
    pub fn move_all_to(&self, target: &Self) -> usize {
        let moved = self.lock().drain();
        let count = moved.len();
        for arrival in moved {
            target.move_in(&arrival.message);
        }
        self.stir();
        count
    }

    /// What lies in it, the oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Snapshot> {
        self.lock().snapshots()
    }

    /// How many messages lie in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no message lies in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was lost because it lay here for longer than the retention time.
    #[must_use]
    pub fn expired(&self) -> Vec<Arc<Message>> {
        self.lock().expired()
    }

    /// Waits until something is done to it.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until this is true of it; looks again whenever something is done to it.
    pub async fn until(&self, is: impl Fn(&Self) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if is(self) {
                return;
            }
            changed.await;
        }
    }

    /// What a consumer is given of this queue and its dead-letter queue.
    #[must_use]
    pub fn port(self: &Arc<Self>, dead_letters: &Arc<Self>) -> SimPort {
        SimPort::new(Arc::clone(self), Arc::clone(dead_letters))
    }

    /// Takes what another queue has given up. A standard queue keeps the time at which a message was sent; a FIFO
    /// queue does not, and knows it by its message id.
    fn take_over(&self, given_up: Vec<Arrival>, source: &str) {
        let now = Instant::now();
        let mut state = self.lock();
        for mut arrival in given_up {
            let message = Arc::make_mut(&mut arrival.message);
            message.dead_letter_source = Some(source.to_owned());
            if self.settings.fifo {
                arrival.enqueued = now;
                message.sent = self.settings.clock.now();
                message.deduplication_id = Some(message.message_id.clone());
                message.sequence_number = self.sequence_number(state.next_number());
            }
            state.add(arrival, Duration::ZERO, now);
        }
        drop(state);
        self.stir();
    }

    fn move_in(&self, message: &Message) {
        let now = Instant::now();
        let mut state = self.lock();
        let number = state.next_number();
        let message = Message {
            message_id: self.message_id(number),
            sequence_number: self.sequence_number(number),
            sent: self.settings.clock.now(),
            dead_letter_source: None,
            ..message.clone()
        };
        let arrival = Arrival {
            message: Arc::new(message),
            enqueued: now,
            receive_count: 0,
            first_received: None,
        };
        state.add(arrival, Duration::ZERO, now);
        drop(state);
        self.stir();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pass(Instant::now());
        state
    }

    fn stir(&self) {
        self.arrived.notify_waiters();
        self.changed.notify_waiters();
    }

    fn read_receipt(&self, receipt: &str) -> Result<(u64, u32), SqsError> {
        let read = || {
            let rest = receipt.strip_prefix("AQEB-")?;
            let rest = rest.strip_prefix(self.settings.name.as_str())?;
            let (number, receive) = rest.strip_prefix('-')?.split_once('-')?;
            Some((number.parse().ok()?, receive.parse().ok()?))
        };
        read().ok_or(SqsError::ReceiptHandleIsInvalid)
    }

    /// An id that no other queue gives.
    fn message_id(&self, number: u64) -> String {
        let queue = self
            .settings
            .name
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
        format!("{queue:08x}-0000-4000-8000-{number:012x}")
    }

    fn sequence_number(&self, number: u64) -> Option<String> {
        self.settings.fifo.then(|| format!("{number:020}"))
    }
}

impl fmt::Debug for SimQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimQueue")
            .field("name", &self.settings.name)
            .field("messages", &self.len())
            .finish_non_exhaustive()
    }
}

fn md5(text: &str) -> String {
    let digest = Md5::digest(text);
    let number = digest
        .iter()
        .fold(0, |number, byte| number << 8 | u128::from(*byte));
    format!("{number:032x}")
}
