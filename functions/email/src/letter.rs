//! What the letters say.

use std::fmt;

use shop_events::{Address, Customer, InvalidAddress, OrderId};

use crate::handler::Incoming;

/// Which letter about an order. Of each kind there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The order has arrived.
    Placed,
    /// It cannot be served.
    Rejected,
    /// Money went back.
    Refunded,
    /// The card could not be charged.
    PaymentFailed,
    /// It is being picked.
    Picking,
    /// It is packed.
    Packed,
    /// It is cancelled.
    Cancelled,
    /// It cannot be cancelled any more.
    CancellationRefused,
}

impl fmt::Display for Kind {
    /// The word for it in the row's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Placed => "placed",
            Self::Rejected => "rejected",
            Self::Refunded => "refunded",
            Self::PaymentFailed => "payment_failed",
            Self::Picking => "picking",
            Self::Packed => "packed",
            Self::Cancelled => "cancelled",
            Self::CancellationRefused => "cancellation_refused",
        })
    }
}

/// A letter, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Which one.
    pub kind: Kind,
    /// About which order.
    pub order: OrderId,
    /// To whom.
    pub to: Address,
    /// One line, of our words and the order's id alone.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

impl Letter {
    /// The letter that an event is worth; none where nobody said how the customer is reached (orders of
    /// version 1).
    ///
    /// # Errors
    /// [`InvalidAddress`] when the customer cannot be reached there.
    pub fn about(event: &Incoming) -> Result<Option<Self>, InvalidAddress> {
        use Incoming as E;
        let (kind, customer, order, subject, text) = match event {
            E::OrderPlaced(e) => (
                Kind::Placed,
                &e.customer,
                &e.order_id,
                "We have your order",
                format!(
                    "thank you for your order of {}. Your card is authorised for that amount and will be \
                     charged once everything is set aside for you.",
                    e.total
                ),
            ),
            E::StockRejected(e) => (
                Kind::Rejected,
                &e.customer,
                &e.order_id,
                "We cannot fulfil your order",
                format!(
                    "we are sorry: we do not have everything that you ordered. The order is closed and the \
                     {} held on your card are released; nothing was charged.",
                    e.total
                ),
            ),
            E::PaymentRefunded(e) => (
                Kind::Refunded,
                &e.customer,
                &e.order_id,
                "Your money is on its way back",
                format!(
                    "we have sent {} back to your card. Your bank may take a few days to show it.",
                    e.amount
                ),
            ),
            E::PaymentFailed(e) => (
                Kind::PaymentFailed,
                &e.customer,
                &e.order_id,
                "We could not charge your card",
                format!(
                    "your bank did not let us charge {}. The order is closed; nothing was taken. Please \
                     order again with another card.",
                    e.amount
                ),
            ),
            E::PickListCreated(e) => (
                Kind::Picking,
                &e.customer,
                &e.order_id,
                "We are picking your order",
                "everything you ordered is set aside, and we are picking it now.".to_owned(),
            ),
            E::PickListPacked(e) => (
                Kind::Packed,
                &e.customer,
                &e.order_id,
                "Your order is packed",
                "your order is packed and leaves our warehouse next.".to_owned(),
            ),
            E::OrderCancelled(e) => (
                Kind::Cancelled,
                &e.customer,
                &e.order_id,
                "Your order is cancelled",
                format!(
                    "your order of {} is cancelled, as you asked. What was held on your card is released; \
                     what was charged goes back to it.",
                    e.total
                ),
            ),
            E::OrderCancellationRefused(e) => (
                Kind::CancellationRefused,
                &e.customer,
                &e.order_id,
                "Your order is already packed",
                "we are sorry: your order was packed before we could cancel it, and is on its way to you."
                    .to_owned(),
            ),
        };
        let Some(Customer { email }) = customer else {
            return Ok(None);
        };
        Ok(Some(Self {
            kind,
            to: Address::parse(email)?,
            subject: format!("{subject} ({order})"),
            text: format!("Hello,\n\n{text}\n\nOrder: {order}\n\nYour shop\n"),
            order: order.clone(),
        }))
    }
}
