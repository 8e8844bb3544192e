//! Stripe's answers, as far as they are read.

use std::collections::HashMap;

use serde::Deserialize;

use crate::{Cause, Currency, IntentId, IntentStatus, OrderId, RefundId, RefundStatus, intent};

/// <https://docs.stripe.com/api/payment_intents/object>, with the charge expanded.
#[derive(Debug, Deserialize)]
pub(super) struct Intent {
    id: String,
    status: String,
    amount: u64,
    currency: String,
    amount_received: u64,
    latest_charge: Option<Charge>,
    #[serde(default)]
    metadata: HashMap<String, String>,
}

/// <https://docs.stripe.com/api/charges/object>
#[derive(Debug, Deserialize)]
struct Charge {
    amount_refunded: u64,
}

/// <https://docs.stripe.com/api/refunds/object>
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    id: String,
    payment_intent: String,
    amount: u64,
    currency: String,
    status: String,
}

/// <https://docs.stripe.com/api/payment_intents/search>
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    data: Vec<Intent>,
}

impl TryFrom<Intent> for intent::Intent {
    type Error = Cause;

    fn try_from(wire: Intent) -> Result<Self, Cause> {
        Ok(Self {
            id: IntentId::parse(wire.id)?,
            status: IntentStatus::from_stripe(&wire.status),
            amount: wire.amount,
            currency: Currency::parse(&wire.currency)?,
            amount_received: wire.amount_received,
            amount_refunded: wire
                .latest_charge
                .map_or(0, |charge| charge.amount_refunded),
            order_id: wire
                .metadata
                .get("order_id")
                .and_then(|id| OrderId::parse(id.as_str()).ok()),
        })
    }
}

impl TryFrom<Refund> for intent::Refund {
    type Error = Cause;

    fn try_from(wire: Refund) -> Result<Self, Cause> {
        Ok(Self {
            id: RefundId::parse(wire.id)?,
            intent: IntentId::parse(wire.payment_intent)?,
            amount: wire.amount,
            currency: Currency::parse(&wire.currency)?,
            status: RefundStatus::from_stripe(&wire.status),
        })
    }
}

impl TryFrom<Found> for Vec<intent::Intent> {
    type Error = Cause;

    fn try_from(wire: Found) -> Result<Self, Cause> {
        wire.data.into_iter().map(TryInto::try_into).collect()
    }
}
