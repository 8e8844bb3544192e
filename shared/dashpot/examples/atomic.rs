//! A consumer with a table: what an order takes from the stock, the event that says so, and the proof that the order was
//! handled are one transaction, one round trip.
//!
//! It reads `TABLE_NAME`, `QUEUE_URL` and `DEAD_LETTER_QUEUE_URL`, needs `dynamodb:PutItem` and `dynamodb:UpdateItem` on
//! the table, `sqs:ChangeMessageVisibility` and `sqs:DeleteMessage` on the queue, `sqs:SendMessage` on the dead-letter
//! queue. The table's keys are `pk` and `sk`, both strings. Its speed is measured: docs/PERFORMANCE.md.

use dashpot::{
    Condition, Consumer, Context, DynamoStore, Effects, Envelope, Event, Failure, Handler, Key,
    Recovery, Row, SqsQueue, Write,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderPlaced {
    order_id: String,
    user_id: String,
    items: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    sku: String,
    quantity: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StockReserved {
    order_id: String,
    user_id: String,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const VERSION: u32 = 2;

    fn subject(&self) -> &str {
        &self.order_id
    }

    fn group(&self) -> &str {
        &self.user_id
    }
}

impl Event for StockReserved {
    const TYPE: &'static str = "stock.reserved";
    const VERSION: u32 = 1;

    fn subject(&self) -> &str {
        &self.order_id
    }

    fn group(&self) -> &str {
        &self.user_id
    }
}

struct Stock;

impl Handler<Envelope<OrderPlaced>> for Stock {
    type Output = Effects;

    async fn handle(&self, event: Envelope<OrderPlaced>, _: &Context) -> Result<Effects, Failure> {
        let order = event.payload;
        let reservation = Row::new(Key::new(format!("reservation#{}", order.order_id)));
        let take = |line: &Line| {
            Write::update(Key::new(format!("stock#{}", line.sku)))
                .add("available", -line.quantity)
                .when(Condition::AtLeast("available".into(), line.quantity))
        };
        Ok(Effects::none()
            .once(reservation.set("state", "reserved"))
            .writes(order.items.iter().map(take))
            .emit(&StockReserved {
                order_id: order.order_id,
                user_id: order.user_id,
            })
            .otherwise(|_| Err(Failure::permanent("there is not enough in stock"))))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let consumer = Consumer::<_, Envelope<OrderPlaced>>::new("stock", Stock)
        .recovery(Recovery::from_env()?)
        .recovering(SqsQueue::from_env(&aws)?)
        .atomic(DynamoStore::from_env(&aws)?);
    dashpot::run(consumer).await
}
