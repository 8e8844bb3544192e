//! Wires the function; see the library for what it does.

use dashpot::DynamoStore;
use orders::handler::Orders;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    orders::http::run(Orders::new(DynamoStore::from_env(&aws)?)).await
}
