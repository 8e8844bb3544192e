//! What a consumer is given of a queue.

use std::sync::Arc;
use std::time::Duration;

use dashpot::{Message, MessageAttribute, ParkNote, ParkedAs, Queue, QueueError};

use super::message::Outgoing;
use super::queue::SimQueue;

/// A consumer's queue and its dead-letter queue: [`dashpot::Queue`], as `SqsQueue` does it over the network.
#[derive(Debug, Clone)]
pub struct SimPort {
    queue: Arc<SimQueue>,
    dead_letters: Arc<SimQueue>,
}

impl SimPort {
    pub(super) fn new(queue: Arc<SimQueue>, dead_letters: Arc<SimQueue>) -> Self {
        Self {
            queue,
            dead_letters,
        }
    }
}

impl Queue for SimPort {
    async fn delay(&self, delays: &[(&str, Duration)]) {
        for (receipt, delay) in delays {
            // What cannot be hidden comes back when its visibility time-out ends.
            let _ = self.queue.change_visibility(receipt, *delay);
        }
    }

    async fn delete(&self, receipts: &[&str]) -> Result<(), QueueError> {
        for receipt in receipts {
            self.queue
                .delete(receipt)
                .map_err(|error| QueueError(error.to_string()))?;
        }
        Ok(())
    }

    async fn park(&self, message: &Message<'_>, note: &ParkNote<'_>) -> Result<(), QueueError> {
        let mut attributes = message.sender_attributes();
        let note = MessageAttribute {
            data_type: "String".to_owned(),
            string_value: Some(note.to_json()),
            binary_value: None,
        };
        attributes.insert("dashpot".to_owned(), note);
        let parked_as = ParkedAs::of(message, self.dead_letters.settings().fifo);
        let outgoing = Outgoing {
            body: message.body.clone().into_owned(),
            attributes,
            group: parked_as.group.map(str::to_owned),
            deduplication_id: parked_as.deduplication_id.map(str::to_owned),
            delay: None,
        };
        let sent = self.dead_letters.send(outgoing);
        sent.map(drop)
            .map_err(|error| QueueError(error.to_string()))
    }
}
