//! The rules of every batch request.

use std::collections::BTreeSet;

use super::error::SqsError;

/// The most entries of a batch request.
///
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html>
pub(super) const MOST_ENTRIES: usize = 10;

/// What every batch action refuses as a whole.
pub(super) fn check_batch<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), SqsError> {
    let ids: Vec<&str> = ids.collect();
    if ids.is_empty() {
        return Err(SqsError::EmptyBatchRequest);
    }
    if ids.len() > MOST_ENTRIES {
        return Err(SqsError::TooManyEntriesInBatchRequest(ids.len()));
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut seen = BTreeSet::new();
    for id in ids {
        if !(1..=80).contains(&id.len()) || !id.chars().all(letter) {
            return Err(SqsError::InvalidBatchEntryId(id.to_owned()));
        }
        if !seen.insert(id) {
            return Err(SqsError::BatchEntryIdsNotDistinct(id.to_owned()));
        }
    }
    Ok(())
}
