//! What goods would cost: a question, and its answer.

use dashpot_envelope::Event;
use serde::{Deserialize, Serialize};

use crate::{Line, Lines, Money, Sku, UserId};

/// What would this cost?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct QuoteRequested {
    /// Who asks.
    pub user_id: UserId,
    /// What they would buy.
    pub items: Lines,
}

/// This, at the prices of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct QuoteGiven {
    /// Who asked.
    pub user_id: UserId,
    /// What is sold, each with its price.
    pub items: Vec<Line>,
    /// What is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Sku>,
    /// What it costs together; none where something is not sold, there is no one currency, or it is more than can be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// When, in milliseconds since the Unix epoch.
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub given_at: u64,
}

impl Event for QuoteRequested {
    const TYPE: &'static str = "quote.requested";
    const VERSION: u32 = 1;

    fn subject(&self) -> &str {
        self.user_id.as_str()
    }

    fn group(&self) -> &str {
        self.user_id.as_str()
    }
}

impl Event for QuoteGiven {
    const TYPE: &'static str = "quote.given";
    const VERSION: u32 = 1;

    fn subject(&self) -> &str {
        self.user_id.as_str()
    }

    fn group(&self) -> &str {
        self.user_id.as_str()
    }
}
