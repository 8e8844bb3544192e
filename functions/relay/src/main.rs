//! Wires the function; see the library for what it does.

use dashpot::{Invocation, serve};
use relay::{dead_letters::SqsDeadLetters, handler::Relay, topic::SnsTopic};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let relay = Relay::new(SnsTopic::from_env(&aws)?, SqsDeadLetters::from_env(&aws)?);
    serve(async |event: &str, invocation: &Invocation| relay.handle(event, invocation).await).await
}
