//! Reading a dead-letter queue: SQS only lends messages, so each is kept, deleted, or given back.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName,
};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};

use super::parked::Parked;
use crate::aws::Explained;

/// The most that SQS gives, and takes, at once.
pub(super) const BATCH: usize = 10;

/// How many batches of one queue are on their way at once, at most: it bounds the memory.
const WINDOW: usize = 16;

/// One service's dead-letter queue.
#[derive(Debug, Clone)]
pub(super) struct DeadLetterQueue {
    pub(super) client: Client,
    pub(super) service: String,
    pub(super) url: String,
}

/// Reads up to `limit` letters, ten at a time. `ten` receives so many at most, does with them what is to be done, and says
/// how many it had not seen before; while it gets full tens, more and more of it run at once.
///
/// # Errors
///
/// The first error of `ten`; none is started after it, and those that run are waited for.
pub(super) async fn in_tens(limit: usize, ten: impl AsyncFn(usize) -> Result<usize>) -> Result<()> {
    let one = async |room| (room, ten(room).await);
    let (mut left, mut failure) = (limit, None);
    let mut running = FuturesUnordered::new();
    let mut more = 1;
    loop {
        while more > 0 && left > 0 && running.len() < WINDOW {
            let room = left.min(BATCH);
            left -= room;
            more -= 1;
            running.push(one(room));
        }
        more = match running.next().await {
            None => break,
            Some((_, Err(cause))) => {
                failure.get_or_insert(cause);
                0
            }
            Some((room, Ok(new))) => {
                left += room - new.min(room);
                match new {
                    _ if failure.is_some() => 0,
                    0 => 0,
                    BATCH => 2,
                    _ => 1,
                }
            }
        };
    }
    failure.map_or(Ok(()), Err)
}

impl DeadLetterQueue {
    /// Takes up to `limit` messages and hides them from others for `hold`. Whoever ends without giving
    /// them back, by Ctrl-C for instance, loses nothing: they reappear after `hold`.
    pub(super) async fn take(&self, limit: usize, hold: Duration) -> Result<Vec<Parked>> {
        let taken = RefCell::new(HashMap::new());
        let read = in_tens(limit, async |room| {
            let received = self.receive(room, hold).await?;
            // What had been read already has reappeared: `hold` is over for the first ones.
            let mut taken = taken.borrow_mut();
            let before = taken.len();
            taken.extend(
                received
                    .into_iter()
                    .map(|parked| (parked.id.clone(), parked)),
            );
            Ok(taken.len() - before)
        })
        .await;
        let mut taken: Vec<Parked> = taken.into_inner().into_values().collect();
        if let Err(cause) = read {
            self.give_back(&taken).await;
            return Err(cause);
        }
        taken.sort_by(|one, other| (one.since(), &one.id).cmp(&(other.since(), &other.id)));
        Ok(taken)
    }

    /// Receives at most ten, hidden from others for `hold`.
    pub(super) async fn receive(&self, room: usize, hold: Duration) -> Result<Vec<Parked>> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(room)?)
            .visibility_timeout(i32::try_from(hold.as_secs())?)
            // A long poll asks all of SQS's servers; a short one may miss messages.
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await
            .explained()
            .with_context(|| format!("cannot read the dead letters of {}", self.service))?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages
            .into_iter()
            .filter_map(|message| Parked::new(&self.service, message))
            .collect())
    }

    /// Makes messages visible to others at once.
    pub(super) async fn give_back(&self, messages: impl IntoIterator<Item = &Parked>) {
        let receipts = messages.into_iter().map(|parked| parked.receipt.as_str());
        self.give_back_receipts(receipts).await;
    }

    /// Makes messages, of which only the receipts were kept, visible to others at once.
    pub(super) async fn give_back_receipts<'a>(&self, receipts: impl IntoIterator<Item = &'a str>) {
        let receipts: Vec<&str> = receipts.into_iter().collect();
        let batches = receipts.chunks(BATCH).map(async |batch| {
            let entries = batch.iter().enumerate().filter_map(|(index, receipt)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(*receipt)
                    .visibility_timeout(0)
                    .build()
                    .ok()
            });
            // What is not given back now comes back by itself, later.
            let _ = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect()))
                .send()
                .await;
        });
        stream::iter(batches)
            .for_each_concurrent(WINDOW, |batch| batch)
            .await;
    }

    /// Deletes at most ten, and says of each whether it is gone.
    pub(super) async fn delete(&self, letters: &[&Parked]) -> Vec<Result<()>> {
        let entries = letters.iter().enumerate().filter_map(|(index, parked)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&parked.receipt)
                .build()
                .ok()
        });
        let answer = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .explained();
        let answer = match answer {
            Ok(answer) => answer,
            Err(cause) => {
                return letters
                    .iter()
                    .map(|_| Err(anyhow::anyhow!("{cause:#}")))
                    .collect();
            }
        };
        let verdict = |index: usize| {
            let id = index.to_string();
            let gone = answer.successful.iter().any(|entry| entry.id == id);
            let failed = answer.failed.iter().find(|entry| entry.id == id);
            match failed {
                _ if gone => Ok(()),
                Some(failed) => Err(anyhow::anyhow!("{}", failed.code)),
                None => Err(anyhow::anyhow!("SQS says nothing about it")),
            }
        };
        (0..letters.len()).map(verdict).collect()
    }
}

/// Takes from several queues at once. On an error what was taken is given back.
pub(super) async fn take_all(
    queues: &[DeadLetterQueue],
    limit: usize,
    hold: Duration,
) -> Result<Vec<(DeadLetterQueue, Vec<Parked>)>> {
    let reading: FuturesUnordered<_> = queues
        .iter()
        .map(async |queue| (queue.clone(), queue.take(limit, hold).await))
        .collect();
    let read: Vec<_> = reading.collect().await;
    let mut all = Vec::new();
    let mut failure = None;
    for (queue, taken) in read {
        match taken {
            Ok(taken) => all.push((queue, taken)),
            Err(cause) => failure = Some(cause),
        }
    }
    if let Some(cause) = failure {
        give_back_all(&all).await;
        return Err(cause);
    }
    all.sort_by(|(one, _), (other, _)| one.service.cmp(&other.service));
    Ok(all)
}

/// Gives everything back.
pub(super) async fn give_back_all(all: &[(DeadLetterQueue, Vec<Parked>)]) {
    for (queue, taken) in all {
        queue.give_back(taken).await;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::cell::Cell;

    use anyhow::bail;

    use super::*;

    /// A queue of so many letters: how many were read, and the most tens that were on their way at once.
    async fn read(letters: usize, limit: usize) -> (usize, usize) {
        let (left, running, most) = (Cell::new(letters), Cell::new(0), Cell::new(0));
        in_tens(limit, async |room| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::task::yield_now().await;
            let new = left.get().min(room);
            left.set(left.get() - new);
            running.set(running.get() - 1);
            Ok(new)
        })
        .await
        .unwrap();
        (letters - left.get(), most.get())
    }

    #[tokio::test]
    async fn everything_is_read_up_to_the_limit_in_a_bounded_window() {
        assert_eq!(read(0, 1000).await, (0, 1));
        assert_eq!(read(9, 1000).await, (9, 1));
        assert_eq!(read(100_000, 100_000).await, (100_000, WINDOW));
        assert_eq!(read(100_000, 25).await.0, 25);
        assert_eq!(read(1234, 100_000).await.0, 1234);
    }

    #[tokio::test]
    async fn nothing_is_started_after_an_error() {
        let calls = Cell::new(0);
        let read = in_tens(100_000, async |_| {
            calls.set(calls.get() + 1);
            if calls.get() == 5 {
                bail!("away");
            }
            Ok(BATCH)
        });
        assert_eq!(read.await.unwrap_err().to_string(), "away");
        assert!(calls.get() <= 5 + WINDOW, "{}", calls.get());
    }
}
