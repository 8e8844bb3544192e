//! Wires the function; see the library for what it does.

use dashpot::{DynamoStore, Recovery, SqsQueue};
use quotes::replies::SqsReplies;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let prices = DynamoStore::new(&aws, dashpot::variable("PRICES_TABLE_NAME")?);
    let answers = DynamoStore::from_env(&aws)?;
    let replies = SqsReplies::from_env(&aws)?;
    let queue = SqsQueue::from_env(&aws)?;
    let recovery = Recovery::from_env()?;
    dashpot::run(quotes::consumer(prices, answers, replies, queue, recovery)).await
}
