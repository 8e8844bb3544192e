//! A consumer whose customers are the worst there are: told by its message, the handler ends the process, eats all its
//! memory, overflows its stack, or loops for ever. No neighbour suffers, and each culprit ends in the dead-letter
//! queue as a killer.
//!
//! Everything else is an order that is counted: the row `order#{id}` says how often.
//!
//! `cargo run --example isolation` shows it, on a release binary of this, with the figures.

use std::hint::black_box;
use std::time::Duration;

use dashpot::{
    Consumer, Context, DynamoStore, Effects, Envelope, Event, Failure, Handler, Key, Recovery,
    SqsQueue, Write,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderPlaced {
    order_id: String,
    /// What handling it does to the process, besides counting it.
    does: Deed,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Deed {
    Nothing,
    /// Ends the process, as a failed assertion in a C library does.
    Abort,
    /// Wants more memory than there is.
    Exhaust,
    /// Calls itself, too often.
    Overflow,
    /// Never comes to an end, nor to an `await`: no deadline can stop it.
    Spin,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const VERSION: u32 = 1;

    fn subject(&self) -> &str {
        &self.order_id
    }

    fn group(&self) -> &str {
        &self.order_id
    }
}

struct Count;

impl Handler<Envelope<OrderPlaced>> for Count {
    type Output = Effects;

    async fn handle(&self, event: Envelope<OrderPlaced>, _: &Context) -> Result<Effects, Failure> {
        match event.payload.does {
            Deed::Nothing => {}
            Deed::Abort => std::process::abort(),
            Deed::Exhaust => exhaust(),
            Deed::Overflow => {
                overflow(0);
            }
            Deed::Spin => loop {
                std::hint::spin_loop();
            },
        }
        let order = Key::new(format!("order#{}", event.payload.order_id));
        Ok(Effects::none().write(Write::update(order).add("times", 1)))
    }
}

fn exhaust() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 1024 * 1024]);
        black_box(&hoard);
    }
}

fn overflow(depth: u64) -> u64 {
    // Neither a loop nor nothing, in the optimiser's eyes.
    let frame = black_box([depth; 64]);
    if black_box(true) {
        overflow(depth + 1) + frame[63]
    } else {
        depth
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let consumer = Consumer::<_, Envelope<OrderPlaced>>::new("poison", Count)
        .recovery(Recovery::from_env()?)
        // Of a function's short timeout, not all is for safety.
        .margin(Duration::from_millis(300))
        .recovering(SqsQueue::from_env(&aws)?)
        .atomic(DynamoStore::from_env(&aws)?);
    dashpot::run(consumer).await
}
