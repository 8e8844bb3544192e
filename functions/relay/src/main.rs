//! Wires the function; see the library for what it does.

use dashpot::{Invocation, serve};
use relay::dead_letters::SqsDeadLetters;
use relay::handler::Relay;
use relay::queues::SqsQueues;
use relay::schedules::Scheduler;
use relay::topic::SnsTopic;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let aws = dashpot::aws::in_lambda().await;
    let (topic, queues) = (SnsTopic::from_env(&aws)?, SqsQueues::from_env(&aws)?);
    let (schedules, dead_letters) = (Scheduler::from_env(&aws)?, SqsDeadLetters::from_env(&aws)?);
    let relay = Relay::new(topic, queues, schedules, dead_letters);
    serve(async |event: &str, invocation: &Invocation| relay.handle(event, invocation).await).await
}
