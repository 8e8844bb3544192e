//! What somebody who asks is given of queues.

use std::sync::Arc;

use dashpot::{Mailbox, MailboxError, Reply};

use super::message::Outgoing;
use super::queue::SimQueue;

/// The queue of whoever answers, and one's own for the answers: [`dashpot::Mailbox`], as `SqsMailbox` does it over the
/// network.
#[derive(Debug, Clone)]
pub struct SimMailbox {
    requests: Arc<SimQueue>,
    replies: Arc<SimQueue>,
}

impl SimMailbox {
    /// Between these queues.
    #[must_use]
    pub fn new(requests: &Arc<SimQueue>, replies: &Arc<SimQueue>) -> Self {
        Self {
            requests: Arc::clone(requests),
            replies: Arc::clone(replies),
        }
    }
}

impl Mailbox for SimMailbox {
    fn name(&self) -> &str {
        &self.replies.settings().name
    }

    async fn send(&self, request: &dashpot::Outgoing<'_>) -> Result<(), MailboxError> {
        let sent = self.requests.send(Outgoing {
            group: Some(request.group.clone()),
            ..Outgoing::new(request.body.as_str())
        });
        sent.map(drop)
            .map_err(|error| MailboxError(error.to_string()))
    }

    async fn receive(&self) -> Result<Vec<Reply>, MailboxError> {
        let received = self.replies.receive_when_any(10).await;
        let received = received.map_err(|error| MailboxError(error.to_string()))?;
        let reply = |it: &super::message::Received| Reply {
            receipt: it.receipt.clone(),
            body: it.message.body.clone(),
        };
        Ok(received.iter().map(reply).collect())
    }

    async fn delete(&self, receipts: &[&str]) {
        for receipt in receipts {
            // What is left comes again.
            let _ = self.replies.delete(receipt);
        }
    }
}
