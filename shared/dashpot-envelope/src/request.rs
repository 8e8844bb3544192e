//! A payload that asks for an answer.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::event::Event;

/// What a request's payload says beside the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[serde(bound(deserialize = "Q: DeserializeOwned"))]
pub struct Request<Q> {
    /// The name of the queue that the answer goes to. Whoever answers decides which names it writes to.
    pub reply_to: String,
    /// From then on nobody waits for an answer, in milliseconds since the Unix epoch: it is not worked on any more.
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub deadline: u64,
    /// The question.
    pub question: Q,
}

impl<Q: Event> Event for Request<Q> {
    const TYPE: &'static str = Q::TYPE;
    const VERSION: u32 = Q::VERSION;

    fn subject(&self) -> &str {
        self.question.subject()
    }

    fn group(&self) -> &str {
        self.question.group()
    }
}
