//! The way of the past from the journal to one queue.

use std::borrow::Cow;
use std::cell::Cell;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use dashpot::{Store, now};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use relay::chunk::chunks;
use relay::fate::Fate;
use relay::outbox::{Event, Timing};
use relay::queues::Queues;

use crate::commands::dlq::Pace;
use crate::feed::{self, Chosen, Recorded};

/// The one queue, by its name among those that are known.
pub const CONSUMER: &str = "consumer";

/// How many calls for a page are on their way at once.
const AT_ONCE: usize = 8;

/// How often a message is sent that SQS does not take at once.
const TRIES: u32 = 5;

/// The way of the past to one queue.
#[derive(Debug)]
pub struct Way<Q> {
    queues: Q,
    pace: Pace,
    sent: Cell<u64>,
}

impl<Q: Queues> Way<Q> {
    /// To the queue that is called [`CONSUMER`] there, at most so many events a second; as fast as it goes without a number.
    pub fn new(queues: Q, per_second: Option<u32>) -> Self {
        Self {
            queues,
            pace: Pace::new(per_second),
            sent: Cell::new(0),
        }
    }

    /// How many events the queue has taken.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Sends the chosen events of the hours after `after`; whenever some were taken, `told` is told how many in all, and after each
    /// hour `written` is told of it. Hours are meant by their first moment, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// The journal does not answer, the queue does not take an event, or `written` says so.
    pub async fn take<S: Store>(
        &self,
        journal: &S,
        chosen: &Chosen,
        after: Option<u64>,
        told: &impl Fn(u64),
        written: impl AsyncFn(u64) -> Result<()>,
    ) -> Result<()> {
        let take = async |page: Vec<Recorded>| -> Result<()> {
            let events: Vec<Event<'_>> = page.iter().map(event).collect();
            let calls = stream::iter(chunks(&events, Event::bytes)).map(Ok);
            let sending = calls.try_for_each_concurrent(AT_ONCE, async |call: &[Event<'_>]| {
                self.pace.wait(call.len()).await;
                deliver(&self.queues, call.iter().collect()).await?;
                self.sent.set(self.sent.get() + call.len() as u64);
                Ok::<(), anyhow::Error>(())
            });
            sending.await?;
            told(self.sent.get());
            Ok(())
        };
        walk(journal, chosen, after, &take, written).await
    }
}

/// Goes through the chosen events; after each hour `written` is told of it.
pub(super) async fn walk<S: Store>(
    journal: &S,
    chosen: &Chosen,
    after: Option<u64>,
    take: &impl AsyncFn(Vec<Recorded>) -> Result<()>,
    written: impl AsyncFn(u64) -> Result<()>,
) -> Result<()> {
    if let Some(order) = &chosen.order {
        return feed::of_order(journal, chosen, order, take).await;
    }
    for hour in feed::hours(chosen.from, chosen.until)
        .filter(|hour| after.is_none_or(|after| *hour > after))
    {
        feed::of_hour(journal, chosen, hour, take).await?;
        written(hour).await?;
    }
    Ok(())
}

/// As SNS delivers it, raw.
fn event(recorded: &Recorded) -> Event<'_> {
    let text = |text: &'_ Option<String>| text.clone().filter(|it| !it.is_empty()).map(Cow::Owned);
    Event {
        body: recorded.body.as_str().into(),
        event_type: recorded.event_type.as_str().into(),
        version: recorded.version.map(|version| version.to_string().into()),
        correlation_id: text(&recorded.correlation_id),
        traceparent: None,
        group: text(&recorded.customer),
        to: None,
        timing: Timing::Now,
    }
}

/// Sends what fits into one call, and what the queue does not take of it again.
async fn deliver(queues: &impl Queues, mut events: Vec<&Event<'_>>) -> Result<()> {
    let mut pause = Duration::from_millis(200);
    for _ in 0..TRIES {
        let fates = queues.send(CONSUMER, &events, now()).await;
        let mut left = Vec::new();
        for (event, fate) in events.into_iter().zip(fates) {
            match fate {
                Fate::Published => {}
                Fate::Failed(_) => left.push(event),
                Fate::Unpublishable(why) => bail!("SQS refuses an event: {why}"),
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        events = left;
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(anyhow!("SQS does not take {} events", events.len()))
}
