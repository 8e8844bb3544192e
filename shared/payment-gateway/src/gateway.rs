//! The port: what the shop asks of a payment provider.

use crate::{Amount, GatewayError, Intent, IntentId, OrderId, PaymentMethodId, Refund};

/// A hold to be put on a customer's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorisation {
    /// The order that is paid for: kept in the payment's metadata, and its idempotency key, so that
    /// one order has one hold however often it is asked for in one round.
    pub order_id: OrderId,
    /// How much to hold.
    pub amount: Amount,
    /// The provider's token for the customer's card.
    pub payment_method: PaymentMethodId,
    /// 0, unless the provider has stored a server error under the order's key and will only ever repeat
    /// it: then the next number, which makes another key. What earlier rounds may hold is found by
    /// [`find`](Gateway::find), and is the caller's to let go of.
    pub round: u32,
}

impl Authorisation {
    /// The idempotency key of this round: the order's id, or `{order}#{round}`.
    #[must_use]
    pub fn key(&self) -> String {
        match self.round {
            0 => self.order_id.to_string(),
            round => format!("{}#{round}", self.order_id),
        }
    }
}

/// A payment provider.
///
/// Every `key` is an idempotency key of at most 255 visible ASCII characters: equal calls under one
/// key act once, and each gets the *first* answer, which need not be the present state; ask
/// [`retrieve`](Gateway::retrieve) for that. One key serves one operation on one payment: a second
/// operation under it is refused as [`GatewayError::Invalid`].
///
/// # Errors
/// All calls: see [`GatewayError`], which says what may be done about each.
pub trait Gateway: Send + Sync {
    /// Puts a hold on the card, under [`Authorisation::key`]. The card is held if the
    /// answer's status is [`RequiresCapture`](crate::IntentStatus::RequiresCapture), and only then.
    fn authorise(
        &self,
        authorisation: &Authorisation,
    ) -> impl Future<Output = Result<Intent, GatewayError>> + Send;

    /// Takes all that is held.
    fn capture(
        &self,
        id: &IntentId,
        key: &str,
    ) -> impl Future<Output = Result<Intent, GatewayError>> + Send;

    /// Lets go of a hold. Captured money does not come back this way.
    fn cancel(
        &self,
        id: &IntentId,
        key: &str,
    ) -> impl Future<Output = Result<Intent, GatewayError>> + Send;

    /// Gives back all that was captured and not yet refunded.
    fn refund(
        &self,
        id: &IntentId,
        key: &str,
    ) -> impl Future<Output = Result<Refund, GatewayError>> + Send;

    /// The payment as it is now.
    fn retrieve(&self, id: &IntentId) -> impl Future<Output = Result<Intent, GatewayError>> + Send;

    /// The payments made for an order, for a caller that never learnt the payment's id.
    ///
    /// The provider's search index lags, with Stripe usually by less than a minute, in an outage by
    /// more: a payment found exists, a payment not found may still appear.
    fn find(
        &self,
        order_id: &OrderId,
    ) -> impl Future<Output = Result<Vec<Intent>, GatewayError>> + Send;
}
