//! How SQS refuses, by its own codes.

/// A refusal of SQS: nothing happened.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html> and the pages of the
/// single actions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqsError {
    /// An attribute of a queue has a value that is not allowed.
    #[error("InvalidAttributeValue: {0}")]
    InvalidAttributeValue(String),
    /// A parameter has a value that is not allowed.
    #[error("InvalidParameterValue: {0}")]
    InvalidParameterValue(String),
    /// A parameter that this kind of queue needs is missing.
    #[error("MissingParameter: {0}")]
    MissingParameter(String),
    /// A character that XML 1.0 has no place for.
    #[error("InvalidMessageContents: a character that is not allowed")]
    InvalidMessageContents,
    /// No receipt handle that this queue gave out.
    #[error("ReceiptHandleIsInvalid")]
    ReceiptHandleIsInvalid,
    /// The message is not being handled by anyone.
    #[error("MessageNotInflight")]
    MessageNotInflight,
    /// More messages are being handled than the queue allows.
    #[error("OverLimit")]
    OverLimit,
    /// A batch of no entries.
    #[error("EmptyBatchRequest")]
    EmptyBatchRequest,
    /// A batch of more than ten entries.
    #[error("TooManyEntriesInBatchRequest: {0}")]
    TooManyEntriesInBatchRequest(usize),
    /// Two entries of a batch have the same id.
    #[error("BatchEntryIdsNotDistinct: {0}")]
    BatchEntryIdsNotDistinct(String),
    /// An entry's id is not 1 to 80 letters, digits, hyphens and underscores.
    #[error("InvalidBatchEntryId: {0}")]
    InvalidBatchEntryId(String),
    /// The messages of a batch are too large together.
    #[error("BatchRequestTooLong: {0} bytes")]
    BatchRequestTooLong(usize),
}
