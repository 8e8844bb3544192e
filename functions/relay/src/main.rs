//! Wires the function; see the library for what it does.

use dashpot::Invocation;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use relay::{dead_letters::SqsDeadLetters, handler::Relay, topic::SnsTopic};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let aws = dashpot::aws::config().await;
    let relay = &Relay::new(SnsTopic::from_env(&aws)?, SqsDeadLetters::from_env(&aws)?);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| async move {
        let invocation = Invocation::from(&event.context);
        let outcome = relay.handle(event.payload.get(), &invocation).await;
        outcome.map_err(Error::from)
    }))
    .await
}
