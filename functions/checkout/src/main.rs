//! Wires the function; see the library for what it does.

use checkout::handler::Checkout;
use dashpot::DynamoStore;
use payment_gateway::StripeOnDemand;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let checkout = Checkout::new(
        DynamoStore::from_env(&aws)?,
        StripeOnDemand::from_env(&aws)?,
        checkout::hold_bound()?,
    );
    checkout::http::run(checkout).await
}
