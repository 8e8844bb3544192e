use std::time::Duration;

use dashpot::{Message, ParkNote, Queue, QueueError};
use tokio::time::sleep;

use super::faults::{Fault, Faults};

/// A queue, as one process reaches it: see [`Faults::queue`]. A call that is late acts late only if its caller still
/// waits for it: the message that it is about is the caller's.
#[derive(Debug, Clone)]
pub struct FaultyQueue<Q> {
    queue: Q,
    faults: Faults,
}

impl<Q> FaultyQueue<Q> {
    pub(super) fn new(queue: Q, faults: Faults) -> Self {
        Self { queue, faults }
    }
}

impl<Q: Queue> Queue for FaultyQueue<Q> {
    const PRESENT: bool = Q::PRESENT;

    async fn delay(&self, delays: &[(&str, Duration)]) {
        let act = |late: Option<Duration>| async move {
            sleep(late.unwrap_or_default()).await;
            self.queue.delay(delays).await;
        };
        // Nobody is told of a failure.
        self.faults.around("queue.delay", act, |_| ()).await;
    }

    async fn delete(&self, receipts: &[&str]) -> Result<(), QueueError> {
        let act = |late: Option<Duration>| async move {
            sleep(late.unwrap_or_default()).await;
            self.queue.delete(receipts).await
        };
        self.faults
            .around("queue.delete", act, |fault| Err(error(fault)))
            .await
    }

    async fn park(&self, message: &Message<'_>, note: &ParkNote<'_>) -> Result<(), QueueError> {
        let act = |late: Option<Duration>| async move {
            sleep(late.unwrap_or_default()).await;
            self.queue.park(message, note).await
        };
        self.faults
            .around("queue.park", act, |fault| Err(error(fault)))
            .await
    }
}

fn error(fault: Fault) -> QueueError {
    QueueError(fault.to_string())
}
