//! Wires the function; see the library for what it does.

use dashpot::{DynamoStore, Recovery, SqsQueue};
use email::ses::Ses;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let store = DynamoStore::from_env(&aws)?;
    let queue = SqsQueue::from_env(&aws)?;
    let mailer = Ses::from_env(&aws)?;
    dashpot::run(email::consumer(store, queue, mailer, Recovery::from_env()?)).await
}
