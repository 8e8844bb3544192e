//! Events about the stock of an order.

use serde::{Deserialize, Serialize};

use crate::{Customer, IntentId, Lines, Money, OrderId, Sku, UserId};

/// Every line of the order is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StockReserved {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// What the order costs.
    pub total: Money,
    /// What is set aside.
    pub items: Lines,
    /// The provider's hold, to be captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<IntentId>,
}

order_event!(StockReserved, "stock.reserved", 1);

/// The order cannot be served, and nothing of it was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StockRejected {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// What the order would have cost.
    pub total: Money,
    /// The skus that ran short; empty where the order had no lines.
    pub short: Vec<Sku>,
    /// The provider's hold, to be voided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent_id: Option<IntentId>,
}

order_event!(StockRejected, "stock.rejected", 1);
