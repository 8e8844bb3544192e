//! The smallest consumer: no table, no permissions; of a batch, only what failed comes back.
//!
//! `cargo lambda build --release --example partial_failures` makes a function of it, and `cargo lambda watch` with
//! `cargo lambda invoke` runs it here. A customer called `fail...` is refused with an error, one called `panic...` runs into
//! a bug, and a body that is no event is never even seen by `bill`: each time that message alone is reported
//! as failed. For a panic this needs `panic = "unwind"` in the profile that ships.
//!
//! It logs one JSON line a batch, with CloudWatch's metrics in it, and one for each message that failed. Its speed is
//! measured: docs/PERFORMANCE.md.

use std::fmt;

use dashpot::{Consumer, Envelope, EventSet, Failure, Unreadable, from_fn};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What this consumer reads of an order; whatever else there is, it passes over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    user_id: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    quantity: u64,
    unit_price: Cents,
}

/// `{"amount":4999,"currency":"EUR"}`, or `4999` alone.
struct Cents(u64);

/// Nothing but orders comes to its queue, so it asks neither for a name nor for a version.
impl EventSet for Order {
    fn types() -> Vec<&'static str> {
        Vec::new()
    }

    fn read(_: &str, _: u32, payload: &str) -> Result<Self, Unreadable> {
        Ok(serde_json::from_str(payload)?)
    }
}

async fn bill(event: Envelope<Order>) -> Result<(), Failure> {
    let order = event.payload;
    if order.user_id.starts_with("fail") {
        return Err(Failure::retry("the customer's account cannot be reached"));
    }
    assert!(!order.user_id.starts_with("panic"), "a bug");
    let cost = |item: &Item| item.quantity.checked_mul(item.unit_price.0);
    let sum = |sum: u64, item| sum.checked_add(cost(item)?);
    match order.items.iter().try_fold(0, sum) {
        Some(_total) => Ok(()),
        None => Err(Failure::permanent("more than any money there is")),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let consumer = Consumer::<_, Envelope<Order>>::new("billing", from_fn(bill));
    dashpot::run(consumer).await
}

impl<'de> Deserialize<'de> for Cents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;

        impl<'de> Visitor<'de> for Amount {
            type Value = Cents;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount in cents, with its currency or alone")
            }

            fn visit_u64<E>(self, amount: u64) -> Result<Cents, E> {
                Ok(Cents(amount))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Cents, A::Error> {
                #[derive(Deserialize)]
                struct Money {
                    amount: u64,
                }
                let map = serde::de::value::MapAccessDeserializer::new(map);
                Money::deserialize(map).map(|money| Cents(money.amount))
            }
        }

        deserializer.deserialize_any(Amount)
    }
}
