//! What an event means for an order's pick list. Every event is taken in every state, and the first decision
//! wins:
//!
//! | state     | `stock.reserved`                  | `payment.failed` | `order.cancellation_requested`            |
//! |-----------|-----------------------------------|------------------|-------------------------------------------|
//! | none yet  | → open, says `pick_list.created`  | → withdrawn      | → withdrawn, says `order.cancelled`       |
//! | open      | –                                 | → withdrawn      | → withdrawn, says `order.cancelled`       |
//! | packed    | –                                 | –                | says `order.cancellation_refused`         |
//! | withdrawn | –                                 | –                | –                                         |
//!
//! A packed list stays packed when the payment fails after all: the goods have left, and the money is for
//! people to fetch. A withdrawn one says nothing to a request for cancellation: the order has ended, and the
//! event that ended it, `order.cancelled` or `payment.failed`, has told the customer.

use dashpot::{Context, Effects, Envelope, Failure, Handler, Item, Refused};
use shop_events::{
    OrderCancellationRefused, OrderCancellationRequested, OrderCancelled, OrderId, PaymentFailed,
    PickListCreated, StockReserved,
};

use crate::pick_list::{self, State};

dashpot::event_set! {
    /// What warehouse takes; its subscription's filter lists the same.
    pub enum Incoming {
        StockReserved(StockReserved),
        PaymentFailed(PaymentFailed),
        OrderCancellationRequested(OrderCancellationRequested),
    }
}

/// The handler: it decides, and holds nothing.
#[derive(Debug, Clone, Copy)]
pub struct Warehouse;

impl Handler<Envelope<Incoming>> for Warehouse {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, cx: &Context) -> Result<Effects, Failure> {
        match event.payload {
            Incoming::StockReserved(order) => create(order, cx),
            Incoming::PaymentFailed(payment) => Ok(withdraw(payment.order_id)),
            Incoming::OrderCancellationRequested(request) => Ok(cancel(request)),
        }
    }
}

fn create(order: StockReserved, cx: &Context) -> Result<Effects, Failure> {
    let list = PickListCreated {
        order_id: order.order_id,
        user_id: order.user_id,
        customer: order.customer,
        items: order.items,
    };
    Ok(Effects::none()
        .once(pick_list::open(&list, &cx.correlation_id, cx.now)?)
        .emit(&list)
        .otherwise(|_| Ok(Effects::none()))) // decided before, by whatever came first
}

fn withdraw(order: OrderId) -> Effects {
    Effects::none()
        .once(pick_list::withdrawn(&order))
        .otherwise(move |refused| {
            Ok(match State::of(standing(&refused, &order)?)? {
                State::Open => Effects::none().write(pick_list::withdraw(&order)),
                State::Packed | State::Withdrawn => Effects::none(),
            })
        })
}

fn cancel(request: OrderCancellationRequested) -> Effects {
    Effects::none()
        .once(pick_list::withdrawn(&request.order_id))
        .emit(&cancelled(&request))
        .otherwise(move |refused| {
            let row = standing(&refused, &request.order_id)?;
            Ok(match State::of(row)? {
                State::Open => Effects::none()
                    .write(pick_list::withdraw(&request.order_id))
                    .emit(&cancelled(&request)),
                State::Packed => Effects::none().emit(&OrderCancellationRefused {
                    order_id: request.order_id,
                    user_id: request.user_id,
                    customer: request.customer,
                }),
                State::Withdrawn => Effects::none(),
            })
        })
}

/// The pick list that stands in the way. Rows are never deleted: a missing one is worth another look.
fn standing<'a>(refused: &'a Refused, order: &OrderId) -> Result<&'a Item, Failure> {
    let row = refused.row(&pick_list::key(order));
    Ok(row.ok_or("the pick list went away")?)
}

fn cancelled(request: &OrderCancellationRequested) -> OrderCancelled {
    OrderCancelled {
        order_id: request.order_id.clone(),
        user_id: request.user_id.clone(),
        customer: request.customer.clone(),
        total: request.total,
        payment_intent_id: request.payment_intent_id.clone(),
    }
}

#[cfg(test)]
mod tests;
