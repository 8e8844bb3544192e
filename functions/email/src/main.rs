//! Wires the function; see the library for what it does.

use dashpot::{Consumer, DynamoStore, Envelope, OnUnknown, Recovery, SqsQueue};
use email::handler::{Email, Incoming};
use email::ses::Ses;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::config().await;
    let consumer =
        Consumer::<_, Envelope<Incoming>>::new("email", Email::new(Ses::from_env(&aws)?))
            .recovery(Recovery::from_env()?)
            .recovering(SqsQueue::from_env(&aws)?)
            .claiming(DynamoStore::from_env(&aws)?, OnUnknown::Handle);
    dashpot::run(consumer).await
}
