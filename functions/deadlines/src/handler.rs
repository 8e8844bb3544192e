//! What an event means for an order's row, and what its deadlines do.
//!
//! | when                  | what                                                                              |
//! |-----------------------|-----------------------------------------------------------------------------------|
//! | it is placed          | a check is sent for `late_after` later; it waits in the queue                     |
//! | the check, unfinished | the order is late: a metric, the index `late`; if its money is only held, the giving up is scheduled for `abandon_after` |
//! | an event, while late  | noted; finished, it is late no more; once the money is taken or let go, the giving up is taken back |
//! | the giving up         | if the money is still only held, `order.cancellation_requested`: warehouse decides, as for a customer |
//!
//! A deadline that comes too late, twice, or though it was taken back, finds in the row that it does not matter.

use dashpot::{Context, Effects, Envelope, Failure, FailureExt, Handler, Refused, Store};
use shop_events::{
    AbandonOrder, CheckOrder, OrderCancellationRequested, OrderCancelled, OrderId, OrderPlaced,
    PaymentCaptured, PaymentFailed, PaymentVoided, PickListCreated, StockRejected, UserId,
};

use crate::standing::{self, Mark, Standing};
use crate::telemetry;
use crate::terms::Terms;

/// The queue of deadlines, as the relay names it.
pub const QUEUE: &str = "deadlines";

dashpot::event_set! {
    /// What deadlines takes: events, as its subscription's filter lists them, and its own commands.
    pub enum Incoming {
        OrderPlaced(OrderPlaced),
        PaymentCaptured(PaymentCaptured),
        PaymentVoided(PaymentVoided),
        PaymentFailed(PaymentFailed),
        StockRejected(StockRejected),
        PickListCreated(PickListCreated),
        OrderCancelled(OrderCancelled),
        CheckOrder(CheckOrder),
        AbandonOrder(AbandonOrder),
    }
}

/// The handler.
#[derive(Debug)]
pub struct Deadlines<S> {
    pub(crate) store: S,
    pub(crate) terms: Terms,
}

impl<S: Store> Handler<Envelope<Incoming>> for Deadlines<S> {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, cx: &Context) -> Result<Effects, Failure> {
        let (order, mark) = match event.payload {
            Incoming::OrderPlaced(order) => {
                return self.placed(order, event.metadata.timestamp);
            }
            Incoming::CheckOrder(it) => {
                let standing = self.standing(&it.order_id).await?;
                return Ok(check(
                    it.order_id,
                    it.user_id,
                    &standing,
                    self.terms,
                    cx.now,
                ));
            }
            Incoming::AbandonOrder(it) => {
                let standing = self.standing(&it.order_id).await?;
                return Ok(abandon(it.order_id, &standing, cx.now));
            }
            Incoming::PaymentCaptured(it) => (it.order_id, Mark::Captured),
            Incoming::PaymentVoided(it) => (it.order_id, Mark::Voided),
            Incoming::PaymentFailed(it) => (it.order_id, Mark::Failed),
            Incoming::StockRejected(it) if it.payment_intent_id.is_none() => {
                (it.order_id, Mark::ShortWithoutHold)
            }
            Incoming::StockRejected(it) => (it.order_id, Mark::Short),
            Incoming::PickListCreated(it) => (it.order_id, Mark::Listed),
            Incoming::OrderCancelled(it) => (it.order_id, Mark::Cancelled),
        };
        let in_time = Effects::none().write(standing::note(&order, mark));
        Ok(in_time.otherwise(move |refused| Ok(late(&read(&refused, &order), order, mark))))
    }
}

impl<S: Store> Deadlines<S> {
    fn placed(&self, order: OrderPlaced, at: u64) -> Result<Effects, Failure> {
        let check = CheckOrder {
            order_id: order.order_id.clone(),
            user_id: order.user_id.clone(),
        };
        let request = OrderCancellationRequested {
            order_id: order.order_id,
            user_id: order.user_id,
            customer: order.customer,
            total: order.total,
            payment_intent_id: order.payment_intent_id,
        };
        let due = at.saturating_add(millis(self.terms.late_after));
        Ok(Effects::none()
            .write(standing::placed(&request, at).permanent()?)
            .command_at(QUEUE, &check, due))
    }

    async fn standing(&self, order: &OrderId) -> Result<Standing, Failure> {
        let rows = self.store.get(&[standing::key(order)]).await?;
        Ok(Standing::of(rows.first().and_then(Option::as_ref)))
    }
}

fn read(refused: &Refused, order: &OrderId) -> Standing {
    Standing::of(refused.row(&standing::key(order)))
}

/// Notes an event of an order that is late.
fn late(standing: &Standing, order: OrderId, mark: Mark) -> Effects {
    let mut effects = Effects::none().write(standing.note(&order, mark));
    if standing.only_holds() && !standing.clone().with(mark).only_holds() {
        effects = effects.unschedule(schedule(&order), QUEUE);
    }
    effects.otherwise(move |refused| Ok(late(&read(&refused, &order), order, mark)))
}

fn check(order: OrderId, customer: UserId, standing: &Standing, terms: Terms, now: u64) -> Effects {
    let Some(placed_at) = standing.placed_at() else {
        return Effects::none(); // Never: the check was sent with it.
    };
    if standing.is_finished() || standing.is_late() {
        return Effects::none();
    }
    (terms.log)(&telemetry::late(&order, now));
    let mut effects = Effects::none().write(standing.late(&order, placed_at));
    if standing.only_holds() {
        let abandon = AbandonOrder {
            order_id: order.clone(),
            user_id: customer.clone(),
        };
        let due = placed_at.saturating_add(millis(terms.abandon_after));
        effects = effects.schedule(schedule(&order), QUEUE, &abandon, due);
    }
    effects.otherwise(move |refused| {
        let standing = read(&refused, &order);
        Ok(check(order, customer, &standing, terms, now))
    })
}

fn abandon(order: OrderId, standing: &Standing, now: u64) -> Effects {
    if !standing.only_holds() || standing.is_abandoned() {
        return Effects::none();
    }
    let Some(request) = standing.request() else {
        return Effects::none(); // Never: nothing is held without it.
    };
    Effects::none()
        .write(standing.abandon(&order, now))
        .emit(&request)
        .otherwise(move |refused| Ok(abandon(order.clone(), &read(&refused, &order), now)))
}

/// The name of an order's giving up: an order's id, but for the one character that a schedule's name cannot have.
fn schedule(order: &OrderId) -> String {
    order.as_str().replace(':', ".")
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
