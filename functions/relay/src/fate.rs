//! What became of a message, by the words of SNS and SQS, which answer a batch entry by entry.

use aws_sdk_sns::operation::publish_batch::PublishBatchOutput;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;

/// What became of an event or a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The other side has it.
    Published,
    /// The other side will never take it, and says why.
    Unpublishable(String),
    /// The other side may not have it: worth another try.
    Failed(String),
}

/// What an answer says, by the entries' ids, which are their places in the batch.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    taken: Vec<Option<usize>>,
    refused: Vec<(Option<usize>, Fate)>,
}

impl Answer {
    /// Only the other side's word counts: what the answer does not name is not taken.
    pub(crate) fn fates(self, messages: usize) -> Vec<Fate> {
        let silent = Fate::Failed("the answer does not name it".into());
        let mut fates = vec![silent; messages];
        let taken = self.taken.into_iter().map(|id| (id, Fate::Published));
        for (id, fate) in taken.chain(self.refused) {
            if let Some(slot) = id.and_then(|id| fates.get_mut(id)) {
                *slot = fate;
            }
        }
        fates
    }
}

impl From<&PublishBatchOutput> for Answer {
    fn from(answer: &PublishBatchOutput) -> Self {
        let taken = answer.successful().iter();
        let refused = answer.failed().iter().map(|entry| {
            let fate = refused(entry.code(), entry.sender_fault(), entry.message());
            (entry.id().parse().ok(), fate)
        });
        Self {
            taken: taken.map(|entry| entry.id()?.parse().ok()).collect(),
            refused: refused.collect(),
        }
    }
}

impl From<&SendMessageBatchOutput> for Answer {
    fn from(answer: &SendMessageBatchOutput) -> Self {
        let taken = answer.successful().iter();
        let refused = answer.failed().iter().map(|entry| {
            let fate = refused(entry.code(), entry.sender_fault(), entry.message());
            (entry.id().parse().ok(), fate)
        });
        Self {
            taken: taken.map(|entry| entry.id().parse().ok()).collect(),
            refused: refused.collect(),
        }
    }
}

fn refused(code: &str, sender_fault: bool, message: Option<&str>) -> Fate {
    let says = format!("{code}: {}", message.unwrap_or_default());
    if is_invalid(code) || (sender_fault && !may_heal(code)) {
        Fate::Unpublishable(says)
    } else {
        Fate::Failed(says)
    }
}

/// Whether something in the call itself is not as it must be.
pub(crate) fn is_invalid(code: &str) -> bool {
    // These are about the signature, the key, or where the call went to.
    const NOT_OF_THE_MESSAGE: [&str; 5] = [
        "invalidsecurity",
        "invalidclienttoken",
        "invalidsignature",
        "invalidaccesskey",
        "invalidaddress",
    ];
    let code = code.to_ascii_lowercase();
    (code.starts_with("invalid") && !NOT_OF_THE_MESSAGE.iter().any(|it| code.starts_with(it)))
        || ["toolong", "toolarge", "validation"]
            .iter()
            .any(|part| code.contains(part))
}

/// Called the sender's fault too, but not the message's: limits, permissions, keys, a topic or queue that is not there.
fn may_heal(code: &str) -> bool {
    const PARTS: [&str; 13] = [
        "throttl",
        "limit",
        "auth",
        "access",
        "kms",
        "security",
        "clienttoken",
        "signature",
        "address",
        "notfound",
        "nonexistent",
        "doesnotexist",
        "unsupported",
    ];
    let code = code.to_ascii_lowercase();
    PARTS.iter().any(|part| code.contains(part))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use aws_sdk_sns::types::{BatchResultErrorEntry, PublishBatchResultEntry};
    use aws_sdk_sqs::types as sqs;

    fn failed(id: &str, code: &str, sender_fault: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder()
            .id(id)
            .code(code)
            .sender_fault(sender_fault)
            .build()
            .unwrap()
    }

    fn failed_to_send(id: &str, code: &str, sender_fault: bool) -> sqs::BatchResultErrorEntry {
        sqs::BatchResultErrorEntry::builder()
            .id(id)
            .code(code)
            .sender_fault(sender_fault)
            .build()
            .unwrap()
    }

    #[test]
    fn what_the_topics_answer_does_not_name_is_not_published() {
        let answer = PublishBatchOutput::builder()
            .successful(PublishBatchResultEntry::builder().id("1").build())
            .failed(failed("7", "InternalError", false))
            .build();
        let fates = Answer::from(&answer).fates(3);
        assert!(matches!(fates[0], Fate::Failed(_)));
        assert_eq!(fates[1], Fate::Published);
        assert!(matches!(fates[2], Fate::Failed(_)));
    }

    #[test]
    fn what_the_queues_answer_does_not_name_is_not_sent() {
        let sent = sqs::SendMessageBatchResultEntry::builder()
            .id("1")
            .message_id("m")
            .md5_of_message_body("0")
            .build()
            .unwrap();
        let answer = SendMessageBatchOutput::builder()
            .successful(sent)
            .failed(failed_to_send("0", "InvalidMessageContents", true))
            .failed(failed_to_send("x", "InternalError", false))
            .build()
            .unwrap();
        let fates = Answer::from(&answer).fates(3);
        assert!(matches!(fates[0], Fate::Unpublishable(_)));
        assert_eq!(fates[1], Fate::Published);
        assert!(matches!(fates[2], Fate::Failed(_)));
    }

    #[test]
    fn only_what_is_wrong_with_the_message_itself_is_hopeless() {
        for (code, sender_fault, hopeless) in [
            ("InvalidParameter", true, true),
            ("InvalidParameterValue", false, true),
            ("InvalidMessageContents", true, true),
            ("BatchRequestTooLong", true, true),
            ("AWS.SimpleQueueService.BatchRequestTooLong", true, true),
            ("SomethingNew", true, true),
            ("InternalError", false, false),
            ("ThrottledException", true, false),
            ("KMSThrottling", true, false),
            ("KmsThrottled", true, false),
            ("OverLimit", true, false),
            ("AuthorizationError", true, false),
            ("InvalidSecurity", true, false),
            ("InvalidClientTokenId", true, false),
            ("InvalidAddress", true, false),
            ("NotFound", true, false),
            ("AWS.SimpleQueueService.NonExistentQueue", true, false),
            ("QueueDoesNotExist", true, false),
        ] {
            let fate = refused(code, sender_fault, None);
            let unpublishable = matches!(fate, Fate::Unpublishable(_));
            assert_eq!(unpublishable, hopeless, "{code}");
        }
    }
}
