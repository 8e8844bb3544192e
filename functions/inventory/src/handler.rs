//! What an event means for the stock.
//!
//! Rows: `stock#{sku}` with `available`; `reservation#{order}`, a small state machine: reserved → released,
//! rejected, or released before anything was reserved (a tombstone: whatever comes late finds it and is done).

use dashpot::{
    Condition, Context, Effects, Envelope, Failure, Handler, Item, Key, Row, Value, Write,
};
use shop_events::{
    Line, OrderCancelled, OrderId, OrderPlaced, PaymentFailed, Sku, StockRejected, StockReserved,
};

dashpot::event_set! {
    /// What inventory takes; its subscription's filter lists the same.
    pub enum Incoming {
        OrderPlaced(OrderPlaced),
        OrderCancelled(OrderCancelled),
        PaymentFailed(PaymentFailed),
    }
}

/// The handler: it decides, and holds nothing.
#[derive(Debug, Clone, Copy)]
pub struct Inventory;

impl Handler<Envelope<Incoming>> for Inventory {
    type Output = Effects;

    async fn handle(&self, event: Envelope<Incoming>, _: &Context) -> Result<Effects, Failure> {
        Ok(match event.payload {
            Incoming::OrderPlaced(order) => reserve(order),
            Incoming::OrderCancelled(order) => release(order.order_id),
            Incoming::PaymentFailed(payment) => release(payment.order_id),
        })
    }
}

/// One round trip when stock suffices, two when it does not, and no read.
fn reserve(order: OrderPlaced) -> Effects {
    if order.items.is_empty() {
        return reject(&order, Vec::new());
    }
    let taken = order.items.iter().map(|line| {
        Value::Map(Item::from([
            ("sku".to_owned(), line.sku.as_str().into()),
            ("quantity".to_owned(), line.quantity.get().into()),
        ]))
    });
    let reservation =
        reservation(&order.order_id, "reserved").set("lines", Value::List(taken.collect()));
    let reserved = StockReserved {
        order_id: order.order_id.clone(),
        user_id: order.user_id.clone(),
        customer: order.customer.clone(),
        total: order.total,
        items: order.items.clone(),
        payment_intent_id: order.payment_intent_id.clone(),
    };
    Effects::none()
        .once(reservation)
        .writes(order.items.iter().map(take))
        .emit(&reserved)
        .otherwise(move |refused| {
            if refused.row(&reservation_key(&order.order_id)).is_some() {
                return Ok(Effects::none()); // decided before, by whatever came first
            }
            let refused: Vec<&Key> = refused.keys().collect();
            let short = |line: &&Line| refused.contains(&&stock_key(&line.sku));
            let short = order
                .items
                .iter()
                .filter(short)
                .map(|line| line.sku.clone());
            Ok(reject(&order, short.collect()))
        })
}

fn reject(order: &OrderPlaced, short: Vec<Sku>) -> Effects {
    Effects::none()
        .once(reservation(&order.order_id, "rejected"))
        .emit(&StockRejected {
            order_id: order.order_id.clone(),
            user_id: order.user_id.clone(),
            customer: order.customer.clone(),
            total: order.total,
            short,
            payment_intent_id: order.payment_intent_id.clone(),
        })
        .otherwise(|_| Ok(Effects::none()))
}

/// Gives back what was taken, and nothing else; where nothing was taken yet, sees to it that nothing will be.
fn release(order: OrderId) -> Effects {
    Effects::none()
        .once(reservation(&order, "released"))
        .otherwise(move |refused| {
            let key = reservation_key(&order);
            let row = refused.row(&key).ok_or("the reservation went away")?;
            if row.get("state").and_then(Value::as_str) != Some("reserved") {
                return Ok(Effects::none());
            }
            let release = Write::update(key)
                .set("state", "released")
                .when(Condition::equals("state", "reserved"));
            Ok(Effects::none()
                .write(release)
                .writes(lines(row)?.map(|(sku, quantity)| give_back(sku, quantity))))
        })
}

fn lines(row: &Item) -> Result<impl Iterator<Item = (&str, i64)>, Failure> {
    let Some(Value::List(lines)) = row.get("lines") else {
        return Err(Failure::permanent("a reserved reservation has no lines"));
    };
    Ok(lines.iter().filter_map(|line| match line {
        Value::Map(line) => Some((line.get("sku")?.as_str()?, line.get("quantity")?.as_i64()?)),
        _ => None,
    }))
}

fn reservation_key(order: &OrderId) -> Key {
    Key::new(format!("reservation#{order}"))
}

fn reservation(order: &OrderId, state: &str) -> Row {
    Row::new(reservation_key(order)).set("state", state)
}

fn stock_key(sku: &Sku) -> Key {
    Key::new(format!("stock#{sku}"))
}

fn take(line: &Line) -> Write {
    let quantity = i64::from(line.quantity.get());
    Write::update(stock_key(&line.sku))
        .add("available", -quantity)
        .when(Condition::AtLeast("available".into(), quantity))
}

fn give_back(sku: &str, quantity: i64) -> Write {
    Write::update(Key::new(format!("stock#{sku}"))).add("available", quantity)
}
