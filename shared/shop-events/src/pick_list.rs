//! Events about the picking of an order in the warehouse.

use serde::{Deserialize, Serialize};

use crate::{Customer, Lines, OrderId, UserId};

/// Warehouse has been told what to pick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PickListCreated {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// What to pick.
    pub items: Lines,
}

order_event!(PickListCreated, "pick_list.created", 1);

/// A person has packed the goods; the order cannot be cancelled any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PickListPacked {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// What was packed.
    pub items: Lines,
}

order_event!(PickListPacked, "pick_list.packed", 1);
