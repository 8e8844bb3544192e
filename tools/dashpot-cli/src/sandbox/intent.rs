//! One payment, and how Stripe and the ledger show it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use uuid::Uuid;

use super::behaviour::Operation;
use super::cards::Card;

/// One payment. Amounts are in minor units of `currency`.
#[derive(Debug)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) amount_received: u64,
    pub(super) amount_refunded: u64,
    pub(super) payment_method: String,
    pub(super) card: Card,
    pub(super) metadata: BTreeMap<String, String>,
    created_ms: u64,
    calls: Vec<Value>,
}

/// Where a payment stands; the sandbox's payments are in no other of Stripe's statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresCapture,
    Succeeded,
    Canceled,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// `None` if no answer was given.
    pub(super) http_status: Option<u16>,
    pub(super) replayed: bool,
    pub(super) acted: bool,
}

impl Intent {
    /// A payment of which the bank has not yet been asked.
    pub(super) fn new(
        amount: u64,
        currency: &str,
        payment_method: &str,
        card: Card,
        metadata: BTreeMap<String, String>,
    ) -> Self {
        Self {
            // Time-ordered, so that the ledger is, too.
            id: format!("pi_{}", Uuid::now_v7().simple()),
            status: Status::RequiresPaymentMethod,
            amount,
            currency: currency.to_owned(),
            amount_received: 0,
            amount_refunded: 0,
            payment_method: payment_method.to_owned(),
            card,
            metadata,
            created_ms: now_ms(),
            calls: Vec::new(),
        }
    }

    pub(super) fn order_id(&self) -> Option<&str> {
        self.metadata.get("order_id").map(String::as_str)
    }

    pub(super) fn charge_id(&self) -> String {
        self.id.replacen("pi_", "ch_", 1)
    }

    pub(super) fn note(&mut self, operation: Operation, key: Option<&str>, end: End) {
        self.calls.push(json!({
            "operation": operation,
            "idempotencyKey": key,
            "at": now_ms(),
            "httpStatus": end.http_status.map_or_else(|| json!("lost"), |status| json!(status)),
            "replayed": end.replayed,
            "acted": end.acted,
        }));
    }

    /// <https://docs.stripe.com/api/payment_intents/object>
    pub(super) fn to_stripe(&self, with_charge: bool) -> Value {
        let held = self.status == Status::RequiresCapture;
        let charge = if with_charge {
            self.charge()
        } else {
            json!(self.charge_id())
        };
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": if held { self.amount } else { 0 },
            "amount_received": self.amount_received,
            "capture_method": "manual",
            "confirmation_method": "automatic",
            "created": self.created_ms / 1000,
            "currency": self.currency,
            "latest_charge": charge,
            "livemode": false,
            "metadata": self.metadata,
            "payment_method": self.payment_method,
            "payment_method_types": ["card"],
            "status": self.status.as_str(),
        })
    }

    /// <https://docs.stripe.com/api/charges/object>
    fn charge(&self) -> Value {
        let status = match self.status {
            Status::RequiresPaymentMethod => "failed",
            Status::RequiresCapture | Status::Succeeded | Status::Canceled => "succeeded",
        };
        json!({
            "id": self.charge_id(),
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.amount_received,
            "amount_refunded": self.amount_refunded,
            "captured": self.status == Status::Succeeded,
            "currency": self.currency,
            "payment_intent": self.id,
            "refunded": self.amount_refunded == self.amount,
            "status": status,
        })
    }

    /// As `GET /ledger` shows it.
    pub(super) fn to_ledger(&self) -> Value {
        json!({
            "id": self.id,
            "orderId": self.order_id(),
            "paymentMethod": self.payment_method,
            "amount": self.amount,
            "currency": self.currency,
            "status": self.status.as_str(),
            "amountReceived": self.amount_received,
            "amountRefunded": self.amount_refunded,
            "calls": self.calls,
        })
    }
}

/// Unix milliseconds.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
