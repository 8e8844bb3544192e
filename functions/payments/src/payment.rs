//! One payment: where it stands, and how an act at the provider is recorded.

use dashpot::{Claim, Claimed, Context, Effects, Failure, FailureExt, Item, Key, Value};
use shop_events::{
    Customer, IntentId, Lines, Money, OrderId, PaymentCaptured, PaymentFailed, PaymentRefunded,
    PaymentVoided, UserId, WriteInvoice,
};

use crate::ledger::{Entry, Kind};

/// Where a payment stands. While there is no row it is authorised: the hold is there since checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Somebody is taking the held money, or nobody knows yet whether it was taken.
    Capturing,
    /// The money is ours.
    Captured,
    /// The same doubt about giving it back.
    Refunding,
    /// The customer has it back.
    Refunded,
    /// The same doubt about letting go of the hold.
    Voiding,
    /// The hold is gone; no money has moved.
    Voided,
    /// The bank refused the capture; the hold is gone, no money has moved.
    Failed,
}

impl State {
    const ALL: [Self; 7] = [
        Self::Capturing,
        Self::Captured,
        Self::Refunding,
        Self::Refunded,
        Self::Voiding,
        Self::Voided,
        Self::Failed,
    ];

    /// The word for it in the row.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Capturing => "capturing",
            Self::Captured => "captured",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::Voiding => "voiding",
            Self::Voided => "voided",
            Self::Failed => "failed",
        }
    }

    /// The state of that name.
    ///
    /// # Errors
    /// A permanent [`Failure`] when there is none: no event can decide about that.
    pub fn named(name: Option<&str>) -> Result<Self, Failure> {
        Self::ALL
            .into_iter()
            .find(|state| Some(state.as_str()) == name)
            .ok_or("the payment is in no state that is known here")
            .permanent()
    }

    /// The state of this row.
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub fn of(row: &Item) -> Result<Self, Failure> {
        Self::named(row.get("state").and_then(Value::as_str))
    }
}

/// Where the state of an order's payment lies.
#[must_use]
pub fn key(order: &OrderId) -> Key {
    Key::of(format!("payment#{order}"), "state")
}

/// Claims a payment that nobody has touched, to take the held money.
#[must_use]
pub fn to_capture(order: &OrderId, intent: &IntentId) -> Claim {
    Claim::new(key(order), State::Capturing.as_str()).set("intentId", intent.as_str())
}

/// Claims a payment to make it undone: let go of the hold, or refund what is captured.
#[must_use]
pub fn to_undo(order: &OrderId, intent: &IntentId) -> Claim {
    Claim::new(key(order), State::Voiding.as_str())
        .instead(&[State::Captured.as_str()], State::Refunding.as_str())
        .set("intentId", intent.as_str())
}

/// The queue of those who write invoices.
pub const INVOICES: &str = "invoices";

/// What every event about a payment says.
#[derive(Debug, Clone)]
pub struct Payment {
    /// The order.
    pub order_id: OrderId,
    /// The customer's pseudonym.
    pub user_id: UserId,
    /// How the customer is reached.
    pub customer: Option<Customer>,
    /// What the order costs: what checkout had held.
    pub total: Money,
    /// What it is paid for; empty where nothing will be.
    pub items: Lines,
    /// The provider's name for the hold.
    pub payment_intent_id: IntentId,
}

/// How an act at the provider ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// So much is ours.
    Captured(Money),
    /// So much went back.
    Refunded(Money),
    /// The hold is gone.
    Voided,
    /// The capture was refused, for the provider's reason; the hold is gone.
    Failed(String),
}

impl Payment {
    /// Records how an act ended: the state, the ledger's entry, the event that tells of it, and of a
    /// capture the job of writing its invoice, in one transaction.
    #[must_use]
    pub fn record(self, outcome: Outcome, claimed: &Claimed, cx: &Context) -> Effects {
        let (state, kind, amount) = match &outcome {
            Outcome::Captured(amount) => (State::Captured, Kind::Captured, *amount),
            Outcome::Refunded(amount) => (State::Refunded, Kind::Refunded, *amount),
            Outcome::Voided => (State::Voided, Kind::Voided, self.total),
            Outcome::Failed(_) => (State::Failed, Kind::Failed, self.total),
        };
        let entry = |number, kind, amount| {
            let entry = Entry {
                number,
                kind,
                amount,
            };
            entry.append(&self.order_id, self.payment_intent_id.as_str(), cx)
        };
        // Only a refund has something before it.
        let is_first = claimed.acting != State::Refunding.as_str();
        let effects = Effects::none()
            .settle(state.as_str())
            .write(entry(claimed.version, kind, amount))
            .writes(is_first.then(|| entry(0, Kind::Authorised, self.total)));
        let Self {
            order_id,
            user_id,
            customer,
            payment_intent_id,
            total: _,
            items,
        } = self;
        match outcome {
            Outcome::Captured(_) => {
                let captured = PaymentCaptured {
                    order_id,
                    user_id,
                    customer,
                    amount,
                    payment_intent_id,
                };
                let effects = effects.emit(&captured);
                effects.command(INVOICES, &WriteInvoice::of(captured, items, cx.now))
            }
            Outcome::Refunded(_) => effects.emit(&PaymentRefunded {
                order_id,
                user_id,
                customer,
                amount,
                payment_intent_id,
            }),
            Outcome::Voided => effects.emit(&PaymentVoided {
                order_id,
                user_id,
                customer,
                amount,
                payment_intent_id,
            }),
            Outcome::Failed(reason) => effects.emit(&PaymentFailed {
                order_id,
                user_id,
                customer,
                amount,
                payment_intent_id,
                reason,
            }),
        }
    }
}
