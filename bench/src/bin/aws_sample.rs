//! The peer: the same as `shared/dashpot/examples/partial_failures.rs`, written the way that AWS's own samples are, with
//! `SqsEvent` and `SqsBatchResponse`, one record after the other, and without a word to a log.
//!
//! After `examples/advanced-sqs-partial-batch-failures` and `examples/basic-sqs` of aws/aws-lambda-rust-runtime.

use std::fmt;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

#[allow(dead_code)]
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    event_type: String,
    payload: Order,
    metadata: Metadata,
}

#[allow(dead_code)]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    id: Option<String>,
    timestamp: u64,
    correlation_id: String,
    causation_id: Option<String>,
    version: u32,
    source: Option<String>,
    subject: Option<String>,
    #[serde(default)]
    hops: u32,
}

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
    #[serde(deserialize_with = "cents")]
    unit_price: u64,
}

/// As in the example: `{"amount":4999,"currency":"EUR"}`, or `4999` alone.
fn cents<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Amount;

    impl<'de> Visitor<'de> for Amount {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an amount in cents, with its currency or alone")
        }

        fn visit_u64<E>(self, amount: u64) -> Result<u64, E> {
            Ok(amount)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<u64, A::Error> {
            #[derive(Deserialize)]
            struct Money {
                amount: u64,
            }
            let map = serde::de::value::MapAccessDeserializer::new(map);
            Money::deserialize(map).map(|money| money.amount)
        }
    }

    deserializer.deserialize_any(Amount)
}

async fn process(record: &SqsMessage) -> Result<(), Error> {
    let body = record.body.as_deref().unwrap_or_default();
    let order = serde_json::from_str::<Envelope>(body)?.payload;
    if order.user_id.starts_with("fail") {
        return Err("the customer's account cannot be reached".into());
    }
    let cost = |item: &Item| item.quantity.checked_mul(item.unit_price);
    order
        .items
        .iter()
        .try_fold(0_u64, |sum, item| sum.checked_add(cost(item)?))
        .ok_or("the total is more than any money there is")?;
    Ok(())
}

async fn handle(event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let mut response = SqsBatchResponse::default();
    for record in event.payload.records {
        if process(&record).await.is_err() {
            response.add_failure(record.message_id.unwrap_or_default());
        }
    }
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
