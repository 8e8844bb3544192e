//! Wires the function; see the library for what it does.

use dashpot::{Consumer, DynamoStore, Envelope, OnUnknown, Recovery, SqsQueue};
use payment_gateway::StripeOnDemand;
use payments::handler::{Incoming, Payments};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::config().await;
    let payments = Payments::new(StripeOnDemand::from_env(&aws)?);
    let consumer = Consumer::<_, Envelope<Incoming>>::new("payments", payments)
        .recovery(Recovery::from_env()?)
        .recovering(SqsQueue::from_env(&aws)?)
        .claiming(DynamoStore::from_env(&aws)?, OnUnknown::Handle);
    dashpot::run(consumer).await
}
