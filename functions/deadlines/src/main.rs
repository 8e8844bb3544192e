//! Wires the function; see the library for what it does.

use dashpot::{DynamoStore, Recovery, SqsQueue};
use deadlines::terms::Terms;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let store = DynamoStore::from_env(&aws)?;
    let queue = SqsQueue::from_env(&aws)?;
    let (terms, recovery) = (Terms::from_env()?, Recovery::from_env()?);
    dashpot::run(deadlines::consumer(store, queue, terms, recovery)).await
}
