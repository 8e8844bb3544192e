//! The smallest consumer: no table, no permissions; of a batch, only what failed comes back.
//!
//! `cargo lambda build --release --example partial_failures` makes a function of it, and `cargo lambda watch` with
//! `cargo lambda invoke` runs it here. A customer called `fail...` is refused with an error, one called `panic...` runs into
//! a bug, and a body that is no event is never even seen by `bill`: each time that message alone is reported
//! as failed. For a panic this needs `panic = "unwind"` in the profile that ships.

use dashpot::{Consumer, Envelope, Event, Failure, from_fn};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderCreated {
    order_id: String,
    user_id: String,
    items: Vec<Item>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    quantity: u64,
    /// In cents.
    unit_price: u64,
}

impl Event for OrderCreated {
    const TYPE: &'static str = "order.created";
    const VERSION: u32 = 1;

    fn subject(&self) -> &str {
        &self.order_id
    }

    fn group(&self) -> &str {
        &self.user_id
    }
}

async fn bill(event: Envelope<OrderCreated>) -> Result<(), Failure> {
    let order = event.payload;
    if order.user_id.starts_with("fail") {
        return Err(Failure::retry("the customer's account cannot be reached"));
    }
    assert!(!order.user_id.starts_with("panic"), "a bug");
    let cost = |item: &Item| item.quantity.checked_mul(item.unit_price);
    let total = order
        .items
        .iter()
        .try_fold(0_u64, |sum, item| sum.checked_add(cost(item)?))
        .ok_or_else(|| Failure::permanent("the total is more than any money there is"))?;
    println!("order {} costs {total} cents", order.order_id);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let consumer = Consumer::<_, Envelope<OrderCreated>>::new("billing", from_fn(bill));
    dashpot::run(consumer).await
}
