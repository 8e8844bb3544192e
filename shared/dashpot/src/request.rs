//! Request/reply over queues: the side that asks.
//!
//! A request travels as any message, in an envelope; its payload says where the answer goes and until when it is of use.
//! The answer is an envelope whose `metadata.correlationId` is the request's id. One that comes too late, twice, or to
//! nobody's question is counted and dropped.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashpot_envelope::{Envelope, Event, Metadata, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::clock::Clock;
use crate::id::new_id;

/// How long the replies are left alone after the mailbox failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Of how many questions it is remembered how they ended.
const REMEMBERED: usize = 10_000;

/// The way to whoever answers, and a queue of one's own for the answers.
pub trait Mailbox: Send + Sync {
    /// The name of the queue for the answers.
    fn name(&self) -> &str;

    /// Sends a request.
    ///
    /// # Errors
    /// [`MailboxError`] when it may not have been sent.
    fn send(&self, request: &Outgoing<'_>)
    -> impl Future<Output = Result<(), MailboxError>> + Send;

    /// Waits for answers; none is no error.
    ///
    /// # Errors
    /// [`MailboxError`] when the queue does not answer.
    fn receive(&self) -> impl Future<Output = Result<Vec<Reply>, MailboxError>> + Send;

    /// Deletes answers. Those that are left come again, and are counted as duplicates.
    fn delete(&self, receipts: &[&str]) -> impl Future<Output = ()> + Send;
}

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// The envelope.
    pub body: String,
    /// The question's name.
    pub event_type: &'a str,
    /// The version of its schema.
    pub version: u32,
    /// The request's id.
    pub correlation_id: &'a str,
    /// Whose it is: see [`Event::group`].
    pub group: String,
}

/// A message in the queue for the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it is deleted with.
    pub receipt: String,
    /// The envelope.
    pub body: String,
}

/// A queue does not do what it should.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue does not answer: {0}")]
pub struct MailboxError(pub String);

/// What became of the answers that came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replies {
    /// Somebody waited for it.
    pub answered: u64,
    /// Nobody waited any more.
    pub late: u64,
    /// It had come before.
    pub duplicate: u64,
    /// Nobody here has asked.
    pub foreign: u64,
    /// It is no envelope.
    pub unreadable: u64,
}

/// There is no answer. Says what is known.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Unanswered {
    /// The request may not have been sent.
    #[error(
        "request {request} may not have been sent: {cause}; an answer that comes all the same is dropped"
    )]
    NotSent {
        /// The request's id.
        request: String,
        /// Why.
        cause: String,
    },
    /// The time is over.
    #[error(
        "no answer to request {request} within {} ms: {}, and its deadline is over, so whoever has not begun will not; an answer that comes now is dropped ({others} other answers came meanwhile)",
        waited.as_millis(),
        if *sent { "it was sent" } else { "it may not have been sent" }
    )]
    TimedOut {
        /// The request's id.
        request: String,
        /// For how long.
        waited: Duration,
        /// Whether it is known to have been sent.
        sent: bool,
        /// How many answers came to other requests meanwhile: with none, ask whether anybody answers at all.
        others: u64,
    },
    /// The answer is not what was expected.
    #[error("the answer to request {request} cannot be read: {detail}")]
    Unreadable {
        /// The request's id.
        request: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// Asks, and finds each answer's question. One for each process is enough: many may ask at the same time.
///
/// Dropped, it stops collecting answers.
pub struct Requester<M> {
    mailbox: Arc<M>,
    desk: Arc<Mutex<Desk>>,
    clock: Clock,
    collecting: AbortHandle,
}

impl<M> fmt::Debug for Requester<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester").finish_non_exhaustive()
    }
}

impl<M> Drop for Requester<M> {
    fn drop(&mut self) {
        self.collecting.abort();
    }
}

impl<M: Mailbox + 'static> Requester<M> {
    /// Starts to collect answers.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(mailbox: M) -> Self {
        Self::at(mailbox, Clock::system())
    }

    /// The same by another clock, for tests.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn at(mailbox: M, clock: Clock) -> Self {
        let (mailbox, desk) = (Arc::new(mailbox), Arc::default());
        let collecting = tokio::spawn(collect(Arc::clone(&mailbox), Arc::clone(&desk)));
        Self {
            mailbox,
            desk,
            clock,
            collecting: collecting.abort_handle(),
        }
    }

    /// Asks, and waits for the answer's payload.
    ///
    /// # Errors
    /// [`Unanswered`] says what is known when there is none.
    pub async fn ask<Q, A>(&self, question: Q, timeout: Duration) -> Result<A, Unanswered>
    where
        Q: Event,
        A: DeserializeOwned,
    {
        let (now, end) = (self.clock.now(), Instant::now() + timeout);
        let request = new_id(now).to_string();
        let unsendable = |error: serde_json::Error| Unanswered::NotSent {
            request: request.clone(),
            cause: error.to_string(),
        };
        let group = question.group().to_owned();
        let body = self.envelope(&request, question, now, timeout);
        let outgoing = Outgoing {
            body: body.map_err(unsendable)?,
            event_type: Q::TYPE,
            version: Q::VERSION,
            correlation_id: &request,
            group,
        };
        let before = self.replies().answered;
        let mut waiting = Waiting::begin(&self.desk, &request);
        let sent = match timeout_at(end, self.mailbox.send(&outgoing)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                let cause = error.to_string();
                return Err(Unanswered::NotSent { request, cause });
            }
            Err(_) => false,
        };
        let Ok(Ok(payload)) = timeout_at(end, &mut waiting.answer).await else {
            return Err(Unanswered::TimedOut {
                request,
                waited: timeout,
                sent,
                others: self.replies().answered - before,
            });
        };
        serde_json::from_str(payload.get()).map_err(|error| Unanswered::Unreadable {
            request,
            detail: error.to_string(),
        })
    }

    /// What became of the answers that came so far.
    #[must_use]
    pub fn replies(&self) -> Replies {
        lock(&self.desk).replies
    }

    /// The queues, to close them in the end.
    #[must_use]
    pub fn mailbox(&self) -> &M {
        &self.mailbox
    }

    fn envelope<Q: Event>(
        &self,
        request: &str,
        question: Q,
        now: u64,
        timeout: Duration,
    ) -> Result<String, serde_json::Error> {
        let subject = question.subject().to_owned();
        let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        serde_json::to_string(&Envelope {
            event_type: Q::TYPE.to_owned(),
            payload: Request {
                reply_to: self.mailbox.name().to_owned(),
                deadline: now.saturating_add(timeout),
                question,
            },
            metadata: Metadata {
                id: request.to_owned(),
                timestamp: now,
                correlation_id: request.to_owned(),
                causation_id: None,
                version: Q::VERSION,
                source: None,
                subject: Some(subject),
                hops: 0,
            },
        })
    }
}

async fn collect<M: Mailbox>(mailbox: Arc<M>, desk: Arc<Mutex<Desk>>) {
    loop {
        let Ok(replies) = mailbox.receive().await else {
            sleep(PAUSE).await;
            continue;
        };
        for reply in &replies {
            lock(&desk).take(&reply.body);
        }
        let receipts: Vec<&str> = replies.iter().map(|it| it.receipt.as_str()).collect();
        if !receipts.is_empty() {
            mailbox.delete(&receipts).await;
        }
    }
}

/// Which questions are open, and how the last ones ended.
#[derive(Default)]
struct Desk {
    open: HashMap<String, oneshot::Sender<Box<RawValue>>>,
    /// Whether each was answered.
    ended: HashMap<String, bool>,
    order: VecDeque<String>,
    replies: Replies,
}

impl Desk {
    fn take(&mut self, body: &str) {
        let envelope: Envelope<Box<RawValue>> = match serde_json::from_str(body) {
            Ok(envelope) => envelope,
            Err(_) => return self.replies.unreadable += 1,
        };
        let request = envelope.metadata.correlation_id;
        if let Some(waiting) = self.open.remove(&request) {
            // Who has just gone counts as answered: their time was not over yet.
            let _ = waiting.send(envelope.payload);
            self.replies.answered += 1;
            return self.end(request, true);
        }
        match self.ended.get(&request) {
            Some(true) => self.replies.duplicate += 1,
            Some(false) => {
                self.replies.late += 1;
                self.ended.insert(request, true);
            }
            None => self.replies.foreign += 1,
        }
    }

    fn end(&mut self, request: String, answered: bool) {
        self.order.push_back(request.clone());
        self.ended.insert(request, answered);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }
}

/// A question that is open, until this is dropped.
struct Waiting<'a> {
    desk: &'a Mutex<Desk>,
    request: String,
    answer: oneshot::Receiver<Box<RawValue>>,
}

impl<'a> Waiting<'a> {
    fn begin(desk: &'a Mutex<Desk>, request: &str) -> Self {
        let (waiting, answer) = oneshot::channel();
        lock(desk).open.insert(request.to_owned(), waiting);
        Self {
            desk,
            request: request.to_owned(),
            answer,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut desk = lock(self.desk);
        if desk.open.remove(&self.request).is_some() {
            desk.end(std::mem::take(&mut self.request), false);
        }
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}
