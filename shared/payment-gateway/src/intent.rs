//! What the provider knows of one payment.

use crate::{Currency, IntentId, OrderId, RefundId};

/// One payment. All amounts are in minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The provider's name for it.
    pub id: IntentId,
    /// Where it stands.
    pub status: IntentStatus,
    /// What was asked for.
    pub amount: u64,
    /// The currency of all amounts.
    pub currency: Currency,
    /// What was captured.
    pub amount_received: u64,
    /// What of it was given back.
    pub amount_refunded: u64,
    /// The order that it pays for; `None` for a payment that is not this shop's.
    pub order_id: Option<OrderId>,
}

/// Where a payment stands, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentStatus {
    /// Nothing is held: the card was declined, or the capture was refused.
    RequiresPaymentMethod,
    /// Nothing is held yet.
    RequiresConfirmation,
    /// The customer has to do something first.
    RequiresAction,
    /// The provider is still at it.
    Processing,
    /// The money is held and can be captured.
    RequiresCapture,
    /// The hold was let go of, or lapsed.
    Canceled,
    /// The money was captured.
    Succeeded,
    /// A status that this version does not know: treat it as undecided.
    Other(String),
}

impl IntentStatus {
    /// The status that Stripe writes so.
    pub(crate) fn from_stripe(text: &str) -> Self {
        match text {
            "requires_payment_method" => Self::RequiresPaymentMethod,
            "requires_confirmation" => Self::RequiresConfirmation,
            "requires_action" => Self::RequiresAction,
            "processing" => Self::Processing,
            "requires_capture" => Self::RequiresCapture,
            "canceled" => Self::Canceled,
            "succeeded" => Self::Succeeded,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Money on its way back to the customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The provider's name for it.
    pub id: RefundId,
    /// The payment that it gives back.
    pub intent: IntentId,
    /// How much, in minor units of `currency`.
    pub amount: u64,
    /// The currency.
    pub currency: Currency,
    /// Where it stands.
    pub status: RefundStatus,
}

/// Where a refund stands, in Stripe's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundStatus {
    /// Accepted, and on its way.
    Pending,
    /// The customer has to do something first.
    RequiresAction,
    /// Done.
    Succeeded,
    /// The bank did not take it: the money is still the shop's.
    Failed,
    /// Withdrawn: the money is still the shop's.
    Canceled,
    /// A status that this version does not know: treat it as undecided.
    Other(String),
}

impl RefundStatus {
    /// The status that Stripe writes so.
    pub(crate) fn from_stripe(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "requires_action" => Self::RequiresAction,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            other => Self::Other(other.to_owned()),
        }
    }
}
