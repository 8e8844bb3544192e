//! Wires the function; see the library for what it does.

use dashpot::{DynamoStore, Recovery, SqsQueue};
use invoices::s3::S3;
use invoices::seller::Seller;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let store = DynamoStore::from_env(&aws)?;
    let cabinet = S3::from_env(&aws)?;
    let seller = Seller::from_env()?;
    let queue = SqsQueue::from_env(&aws)?;
    let recovery = Recovery::from_env()?;
    dashpot::run(invoices::consumer(store, cabinet, seller, queue, recovery)).await
}
