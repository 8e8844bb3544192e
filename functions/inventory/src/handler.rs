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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::Arc;

    use dashpot::{Consumer, Event, Invocation, Refusal, Refused, Store};
    use dashpot_testing::{Delivery, MemoryStore, RecordingQueue, sqs_event};
    use serde_json::json;

    use super::*;

    fn body(event_type: &str, version: u32, id: &str, payload: &serde_json::Value) -> String {
        json!({
            "type": event_type,
            "payload": payload,
            "metadata": { "id": id, "timestamp": 1, "correlationId": "c", "version": version },
        })
        .to_string()
    }

    fn placed(order: &str, lines: &[(&str, u32)]) -> String {
        let items: Vec<_> = lines
            .iter()
            .map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }))
            .collect();
        let payload = json!({
            "orderId": order, "userId": "u", "total": { "amount": 1, "currency": "EUR" }, "items": items,
            "customer": { "email": "ada@example.com" }, "paymentIntentId": "pi_1",
        });
        body("order.placed", 2, &format!("placed-{order}"), &payload)
    }

    fn cancelled(order: &str) -> String {
        let payload =
            json!({ "orderId": order, "userId": "u", "total": { "amount": 1, "currency": "EUR" } });
        body(
            "order.cancelled",
            1,
            &format!("cancelled-{order}"),
            &payload,
        )
    }

    fn failed(order: &str) -> String {
        let payload = json!({
            "orderId": order, "userId": "u", "amount": { "amount": 1, "currency": "EUR" },
            "paymentIntentId": "pi_1", "reason": "card_declined",
        });
        body("payment.failed", 1, &format!("failed-{order}"), &payload)
    }

    struct Shop {
        store: Arc<MemoryStore>,
        queue: RecordingQueue,
    }

    impl Shop {
        async fn with_stock(stock: &[(&str, i64)]) -> Self {
            let store = Arc::new(MemoryStore::new());
            for (sku, available) in stock {
                let row = Row::new(Key::new(format!("stock#{sku}"))).set("available", *available);
                store.commit(&[Write::put(row)]).await.unwrap();
            }
            Self {
                store,
                queue: RecordingQueue::new(),
            }
        }

        async fn handle(&self, bodies: &[String]) {
            let deliveries: Vec<_> = bodies
                .iter()
                .enumerate()
                .map(|(n, body)| Delivery::new(n.to_string(), body))
                .collect();
            let response = Consumer::<_, Envelope<Incoming>>::new("inventory", Inventory)
                .recovering(&self.queue)
                .atomic(Arc::clone(&self.store))
                .log_to(|_| {})
                .handle_batch(&sqs_event("inventory", &deliveries), &Invocation::default())
                .await
                .unwrap();
            assert_eq!(response.batch_item_failures, []);
            assert!(self.queue.parked().is_empty());
        }

        fn available(&self, sku: &str) -> i64 {
            let row = self.store.row(&Key::new(format!("stock#{sku}"))).unwrap();
            row["available"].as_i64().unwrap()
        }

        fn state(&self, order: &str) -> String {
            let row = self
                .store
                .row(&Key::new(format!("reservation#{order}")))
                .unwrap();
            row["state"].as_str().unwrap().to_owned()
        }
    }

    #[tokio::test]
    async fn every_line_is_reserved_in_one_round_trip() {
        let shop = Shop::with_stock(&[("a", 5), ("b", 5)]).await;
        let before = shop.store.round_trips();
        shop.handle(&[placed("1", &[("a", 2), ("b", 5)])]).await;
        assert_eq!(shop.store.round_trips() - before, 1);
        assert_eq!((shop.available("a"), shop.available("b")), (3, 0));
        assert_eq!(shop.store.said(), ["stock.reserved"]);
    }

    #[tokio::test]
    async fn an_order_that_is_short_takes_nothing_and_says_what_was_short() {
        let shop = Shop::with_stock(&[("a", 5), ("b", 1)]).await;
        shop.handle(&[placed("1", &[("a", 2), ("b", 2), ("unknown", 1)])])
            .await;
        assert_eq!((shop.available("a"), shop.available("b")), (5, 1));
        assert_eq!(shop.state("1"), "rejected");
        let said = shop.store.rows("outbox#")[0]["body"]
            .as_str()
            .unwrap()
            .to_owned();
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["type"], "stock.rejected");
        assert_eq!(said["payload"]["short"], json!(["b", "unknown"]));
        assert_eq!(said["payload"]["paymentIntentId"], "pi_1");
    }

    #[tokio::test]
    async fn the_reference_texts_own_message_is_rejected_for_want_of_lines() {
        let shop = Shop::with_stock(&[]).await;
        let payload =
            json!({ "orderId": "123", "userId": "user_456", "total": 99.99, "items": [] });
        shop.handle(&[body("order.created", 1, "e", &payload)])
            .await;
        assert_eq!(shop.store.said(), ["stock.rejected"]);
    }

    #[tokio::test]
    async fn a_duplicate_and_a_second_event_about_the_same_order_take_nothing() {
        let shop = Shop::with_stock(&[("a", 5)]).await;
        let again = placed("1", &[("a", 2)]).replace("placed-1", "placed-again");
        shop.handle(&[placed("1", &[("a", 2)]), placed("1", &[("a", 2)]), again])
            .await;
        assert_eq!(shop.available("a"), 3);
        assert_eq!(shop.store.said().len(), 1);
    }

    #[tokio::test]
    async fn stock_is_conserved_in_every_order_of_arrival() {
        let events = [
            placed("1", &[("a", 2)]),
            cancelled("1"),
            failed("1"),
            placed("1", &[("a", 2)]),
        ];
        for first in 0..4 {
            for second in (0..4).filter(|n| *n != first) {
                let shop = Shop::with_stock(&[("a", 5)]).await;
                let rest = (0..4).filter(|n| *n != first && *n != second);
                for n in [first, second].into_iter().chain(rest) {
                    shop.handle(&[events[n].clone()]).await;
                }
                assert_eq!(shop.available("a"), 5, "{first} then {second}");
                assert_eq!(shop.state("1"), "released");
            }
        }
    }

    #[tokio::test]
    async fn what_was_rejected_gives_nothing_back() {
        let shop = Shop::with_stock(&[("a", 1)]).await;
        shop.handle(&[placed("1", &[("a", 2)])]).await;
        shop.handle(&[cancelled("1")]).await;
        assert_eq!(
            (shop.available("a"), shop.state("1").as_str()),
            (1, "rejected")
        );
    }

    #[test]
    fn the_decision_is_a_value() {
        let envelope: serde_json::Value = serde_json::from_str(&placed("1", &[("a", 2)])).unwrap();
        let payload = serde_json::value::to_raw_value(&envelope["payload"]).unwrap();
        let order = <OrderPlaced as Event>::read("order.placed", 2, payload.get()).unwrap();
        let effects = reserve(order);
        assert_eq!(
            effects.written(),
            [take(&Line {
                sku: "a".parse().unwrap(),
                quantity: 2.try_into().unwrap(),
                unit_price: None,
            })]
        );
        assert_eq!(effects.emitted(), ["stock.reserved"]);
        let short = Refusal {
            index: 1,
            key: Key::new("stock#a"),
            row: None,
        };
        let second = effects
            .when_refused(Refused::new(vec![short]))
            .unwrap()
            .unwrap();
        assert_eq!(
            second
                .emitted_payload::<StockRejected>()
                .unwrap()
                .short
                .len(),
            1
        );
    }
}
