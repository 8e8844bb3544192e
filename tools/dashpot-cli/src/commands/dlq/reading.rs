//! Reading a dead-letter queue: SQS only lends messages, so each is kept, deleted, or given back.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeName};
use tokio::task::JoinSet;

use super::parked::Parked;
use crate::aws::Explained;

/// The most that SQS gives, and takes, at once.
const BATCH: usize = 10;

/// One service's dead-letter queue.
#[derive(Debug, Clone)]
pub(super) struct DeadLetterQueue {
    pub(super) client: Client,
    pub(super) service: String,
    pub(super) url: String,
}

impl DeadLetterQueue {
    /// Takes up to `limit` messages and hides them from others for `hold`. Whoever ends without giving
    /// them back, by Ctrl-C for instance, loses nothing: they reappear after `hold`.
    pub(super) async fn take(&self, limit: usize, hold: Duration) -> Result<Vec<Parked>> {
        let mut taken = HashMap::new();
        loop {
            let room = limit.saturating_sub(taken.len()).min(BATCH);
            if room == 0 {
                break;
            }
            let received = match self.receive(room, hold).await {
                Ok(received) => received,
                Err(cause) => {
                    self.give_back(taken.values()).await;
                    return Err(cause);
                }
            };
            if received.is_empty() {
                break;
            }
            let before = taken.len();
            taken.extend(
                received
                    .into_iter()
                    .map(|parked| (parked.id.clone(), parked)),
            );
            if taken.len() == before {
                // Only what had been read: `hold` is over for the first ones.
                break;
            }
        }
        let mut taken: Vec<_> = taken.into_values().collect();
        taken.sort_by(|one, other| (one.since(), &one.id).cmp(&(other.since(), &other.id)));
        Ok(taken)
    }

    async fn receive(&self, room: usize, hold: Duration) -> Result<Vec<Parked>> {
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
        let entries: Vec<_> = messages
            .into_iter()
            .enumerate()
            .filter_map(|(index, parked)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(&parked.receipt)
                    .visibility_timeout(0)
                    .build()
                    .ok()
            })
            .collect();
        for batch in entries.chunks(BATCH) {
            // What is not given back now comes back by itself, later.
            let _ = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.url)
                .set_entries(Some(batch.to_vec()))
                .send()
                .await;
        }
    }

    pub(super) async fn delete(&self, parked: &Parked) -> Result<()> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&parked.receipt)
            .send()
            .await
            .explained()
            .map(drop)
    }
}

/// Takes from several queues at once. On an error what was taken is given back.
pub(super) async fn take_all(
    queues: &[DeadLetterQueue],
    limit: usize,
    hold: Duration,
) -> Result<Vec<(DeadLetterQueue, Vec<Parked>)>> {
    let mut reading = JoinSet::new();
    for queue in queues.iter().cloned() {
        reading.spawn(async move {
            let taken = queue.take(limit, hold).await;
            (queue, taken)
        });
    }
    let mut all = Vec::new();
    let mut failure = None;
    while let Some(read) = reading.join_next().await {
        match read? {
            (queue, Ok(taken)) => all.push((queue, taken)),
            (_, Err(cause)) => failure = Some(cause),
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
