//! Wires the function; see the library for what it does.

use analytics::handler::{Analytics, Anything};
use dashpot::{Consumer, DynamoStore, Recovery, SqsQueue};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::config().await;
    let consumer = Consumer::<_, Anything>::new("analytics", Analytics)
        .recovery(Recovery::from_env()?)
        .recovering(SqsQueue::from_env(&aws)?)
        .atomic(DynamoStore::from_env(&aws)?);
    dashpot::run(consumer).await
}
