//! What a function's answer means for its batch.

use std::collections::BTreeSet;

use serde_json::Value;

/// What became of a batch as a whole.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>, and the same rules for streams in
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing comes back.
    Success,
    /// These come back, by identifier.
    Partial(BTreeSet<String>),
    /// Everything comes back, and why.
    Failure(String),
}

impl Verdict {
    /// What an answer under `ReportBatchItemFailures` means. `is_known` says whether the batch has a record of that
    /// identifier.
    #[must_use]
    pub fn of(answer: &str, is_known: impl Fn(&str) -> bool) -> Self {
        read(answer, is_known)
    }
}

/// Reads an answer under `ReportBatchItemFailures`. `is_known` says whether the batch has a record of that
/// identifier.
pub(crate) fn read(answer: &str, is_known: impl Fn(&str) -> bool) -> Verdict {
    let failure = |why: &str| Verdict::Failure(why.to_owned());
    let answer: Value = match serde_json::from_str(answer) {
        Ok(answer) => answer,
        Err(_) => return failure("the answer is no JSON"),
    };
    let failures = match answer {
        // Documented: an empty and a null answer are complete success.
        Value::Null => return Verdict::Success,
        Value::Object(mut fields) => fields.remove("batchItemFailures"),
        // Inferred: what is no object is no answer of the documented shape.
        _ => return failure("the answer is no object"),
    };
    let failures = match failures {
        // Documented for `{}` and null; inferred for an answer that has other keys only, such as a misspelt one.
        None | Some(Value::Null) => return Verdict::Success,
        Some(Value::Array(failures)) => failures,
        Some(_) => return failure("batchItemFailures is no list"),
    };
    let mut identifiers = BTreeSet::new();
    for item in failures {
        let Some(Value::String(identifier)) = item.get("itemIdentifier") else {
            return failure("an item has no itemIdentifier");
        };
        if identifier.is_empty() {
            return failure("an itemIdentifier is empty");
        }
        if !is_known(identifier) {
            return failure("an itemIdentifier names nothing in the batch");
        }
        // Inferred: named twice is named.
        identifiers.insert(identifier.clone());
    }
    if identifiers.is_empty() {
        return Verdict::Success;
    }
    Verdict::Partial(identifiers)
}
