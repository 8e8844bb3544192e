//! Idempotency keys: <https://docs.stripe.com/api/idempotent_requests>.

use std::collections::HashMap;

use super::fields::Fields;
use super::provider::{Answer, Call};
use super::refusal::{self, Refusal};

/// Every key that got to work, with its request and, once there is one, its answer.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<String, First>);

#[derive(Debug)]
struct First {
    path: String,
    fields: Fields,
    answer: Option<Answer>,
}

/// What a request's key says of it.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing like it has been asked.
    Fresh,
    /// It was asked before, and this was the answer.
    Answered(Answer),
    /// It is being worked on, or it is another request under the same key.
    Refused(Refusal),
}

impl Keys {
    pub(super) fn look(&self, call: &Call) -> Found {
        let Some((key, first)) = call.key.as_ref().and_then(|key| self.0.get_key_value(key)) else {
            return Found::Fresh;
        };
        if first.path != call.path {
            return Found::Refused(refusal::other_endpoint(key, &first.path, &call.path));
        }
        if first.fields != call.fields {
            return Found::Refused(refusal::other_parameters(key));
        }
        match &first.answer {
            Some(answer) => Found::Answered(answer.clone()),
            None => Found::Refused(refusal::key_in_use(key)),
        }
    }

    /// The request is at work from now on.
    pub(super) fn begin(&mut self, call: &Call) {
        if let Some(key) = &call.key {
            let first = First {
                path: call.path.clone(),
                fields: call.fields.clone(),
                answer: None,
            };
            self.0.insert(key.clone(), first);
        }
    }

    /// The request is done. An answer that says that it never got to work frees the key.
    pub(super) fn end(&mut self, call: &Call, answer: &Answer) {
        let Some(key) = &call.key else { return };
        if !answer.began {
            self.0.remove(key);
        } else if let Some(first) = self.0.get_mut(key) {
            first.answer = Some(answer.clone());
        }
    }
}
