//! What deadlines tells itself, for later: commands, not events for whoever wants to know.

use serde::{Deserialize, Serialize};

use crate::{OrderId, UserId};

/// See whether the order is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CheckOrder {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
}

/// Give the order up, if its money is still only held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AbandonOrder {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
}

order_event!(CheckOrder, "order.check", 1);
order_event!(AbandonOrder, "order.abandon", 1);
