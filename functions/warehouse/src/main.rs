//! Wires the function; see the library for what it does.

use dashpot::{Consumer, DynamoStore, Envelope, Recovery, SqsQueue};
use warehouse::handler::{Incoming, Warehouse};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::config().await;
    let consumer = Consumer::<_, Envelope<Incoming>>::new("warehouse", Warehouse)
        .recovery(Recovery::from_env()?)
        .recovering(SqsQueue::from_env(&aws)?)
        .atomic(DynamoStore::from_env(&aws)?);
    dashpot::run(consumer).await
}
