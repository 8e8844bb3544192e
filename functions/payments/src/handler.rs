//! What an event means for an order's payment. Every event is taken in every state, and the first decision wins:
//!
//! | state      | `stock.reserved`         | `stock.rejected`, `order.cancelled`  |
//! |------------|--------------------------|--------------------------------------|
//! | none yet   | → capturing              | → voiding                            |
//! | capturing  | claims it when its lease has run out, and asks | waits until that is known |
//! | captured   | –                        | → refunding                          |
//! | refunding  | –                        | claims it when its lease has run out, and asks |
//! | voiding    | –                        | claims it when its lease has run out |
//! | refunded, voided, failed | –          | –                                    |
//!
//! Capturing ends as captured, or as failed when the bank refuses; refunding as refunded; voiding as voided (or
//! refunded, see [`Call::void`]). Stock is either reserved or rejected, so a rejection never meets a capture; if
//! it did, the customer would have their money back, as after a cancellation.
//!
//! Without an intent id, as in orders of version 1, nothing is held and there is nothing to do.

use dashpot::{Claim, Claims, Context, Effects, Envelope, Failure, FailureExt, Handler, Item};
use payment_gateway::{Gateway, IntentId};
use shop_events::{Lines, OrderCancelled, StockRejected, StockReserved};

use crate::call::Call;
use crate::payment::{Payment, State, to_capture, to_undo};

dashpot::event_set! {
    /// What payments takes; its subscription's filter lists the same.
    pub enum Incoming {
        StockReserved(StockReserved),
        StockRejected(StockRejected),
        OrderCancelled(OrderCancelled),
    }
}

/// The handler: it decides, and holds the way to the provider.
#[derive(Debug)]
pub struct Payments<G> {
    gateway: G,
}

impl<G: Gateway> Payments<G> {
    /// A handler that acts through this gateway.
    pub fn new(gateway: G) -> Self {
        Self { gateway }
    }
}

impl<G: Gateway> Claims<Envelope<Incoming>> for Payments<G> {
    fn claim(&self, event: &Envelope<Incoming>, _: &Context) -> Result<Option<Claim>, Failure> {
        let (order, intent, to_act): (_, _, fn(&_, &_) -> Claim) = match &event.payload {
            Incoming::StockReserved(e) => (&e.order_id, &e.payment_intent_id, to_capture),
            Incoming::StockRejected(e) => (&e.order_id, &e.payment_intent_id, to_undo),
            Incoming::OrderCancelled(e) => (&e.order_id, &e.payment_intent_id, to_undo),
        };
        Ok(intent.as_ref().map(|intent| to_act(order, intent)))
    }

    fn refused(
        &self,
        event: Envelope<Incoming>,
        row: &Item,
        _: &Context,
    ) -> Result<Effects, Failure> {
        match (event.payload, State::of(row)?) {
            (Incoming::StockRejected(_) | Incoming::OrderCancelled(_), State::Capturing) => {
                // With backoff, and not after a fixed time: while the provider is down this waits for hours.
                Err(Failure::retry(
                    "it is not known yet whether the money was captured",
                ))
            }
            _ => Ok(Effects::none()),
        }
    }
}

impl<G: Gateway> Handler<Envelope<Incoming>> for Payments<G> {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, cx: &Context) -> Result<Effects, Failure> {
        let (Some(claimed), Some(payment)) = (cx.claimed(), payment(event.payload)) else {
            return Ok(Effects::none());
        };
        let call = Call {
            gateway: &self.gateway,
            intent: IntentId::parse(payment.payment_intent_id.as_str()).permanent()?,
            order: payment.order_id.as_str(),
            version: claimed.version,
            may_have_happened: claimed.may_have_happened,
        };
        let outcome = match State::named(Some(claimed.acting))? {
            State::Capturing => call.capture().await?,
            State::Refunding => call.refund().await?,
            State::Voiding => call.void().await?,
            State::Captured | State::Refunded | State::Voided | State::Failed => {
                return Err(Failure::permanent("nothing is done in an end state"));
            }
        };
        Ok(payment.record(outcome, claimed, cx))
    }
}

/// The payment that an event is about; none where nothing is held.
fn payment(event: Incoming) -> Option<Payment> {
    Some(match event {
        Incoming::StockReserved(e) => Payment {
            order_id: e.order_id,
            user_id: e.user_id,
            customer: e.customer,
            total: e.total,
            items: e.items,
            payment_intent_id: e.payment_intent_id?,
        },
        Incoming::StockRejected(e) => Payment {
            order_id: e.order_id,
            user_id: e.user_id,
            customer: e.customer,
            total: e.total,
            items: Lines::default(),
            payment_intent_id: e.payment_intent_id?,
        },
        Incoming::OrderCancelled(e) => Payment {
            order_id: e.order_id,
            user_id: e.user_id,
            customer: e.customer,
            total: e.total,
            items: Lines::default(),
            payment_intent_id: e.payment_intent_id?,
        },
    })
}

#[cfg(test)]
mod tests;
