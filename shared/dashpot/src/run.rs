//! The Lambda runtime around a consumer.

use std::time::{Duration, SystemTime};

use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::consumer::Consumer;
use crate::decode::FromMessage;
use crate::mode::Mode;
use crate::pipeline::Invocation;
use crate::queue::Queue;

/// Polls the Lambda Runtime API and hands every batch to the consumer, until the process ends.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run<H, E, Q, M>(consumer: Consumer<H, E, Q, M>) -> Result<(), lambda_runtime::Error>
where
    H: Send + Sync,
    E: FromMessage,
    Q: Queue,
    M: Mode<H, E>,
{
    let consumer = &consumer;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| async move {
        let invocation = Invocation::from(&event.context);
        let answer = consumer
            .handle_batch(event.payload.get(), &invocation)
            .await;
        answer.map_err(|error| {
            eprintln!("{error}");
            lambda_runtime::Error::from(error)
        })
    }))
    .await
}

impl From<&Context> for Invocation {
    fn from(context: &Context) -> Self {
        let left = context.deadline().duration_since(SystemTime::now());
        Self {
            request_id: context.request_id.clone(),
            deadline: Instant::now() + left.unwrap_or(Duration::ZERO),
        }
    }
}
