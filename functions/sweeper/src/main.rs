//! Wires the function; see the library for what it does.

use dashpot::DynamoStore;
use payment_gateway::StripeOnDemand;
use sweeper::sweep::Sweeper;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let sweeper = Sweeper::new(
        DynamoStore::from_env(&aws)?,
        StripeOnDemand::from_env(&aws)?,
    );
    sweeper::run(sweeper).await
}
