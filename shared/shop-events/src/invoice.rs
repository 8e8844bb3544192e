//! The job of writing an order's invoice: a command for one receiver, not an event for whoever wants to know.

use serde::{Deserialize, Serialize};

use crate::{Customer, Lines, Money, OrderId, PaymentCaptured, UserId};

/// Write the invoice of an order that is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WriteInvoice {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// What was bought.
    pub items: Lines,
    /// What was paid for it, tax included.
    pub total: Money,
    /// When it was paid, in milliseconds since the Unix epoch: the invoice's date.
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub captured_at: u64,
}

order_event!(WriteInvoice, "invoice.write", 1);

impl WriteInvoice {
    /// The job for what was captured at that time for these lines.
    #[must_use]
    pub fn of(captured: PaymentCaptured, items: Lines, captured_at: u64) -> Self {
        Self {
            order_id: captured.order_id,
            user_id: captured.user_id,
            customer: captured.customer,
            items,
            total: captured.amount,
            captured_at,
        }
    }
}
