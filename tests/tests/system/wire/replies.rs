//! The queue of somebody who asks.

use anyhow::{Context, Result};

use crate::world::World;

/// How the names of such queues begin.
pub(super) const PREFIX: &str = "replies-";

/// Makes one; its name.
pub(super) async fn open(order: &str, world: &World) -> Result<String> {
    let name = format!("{PREFIX}{order}");
    let sqs = aws_sdk_sqs::Client::new(world.shop.target().config());
    sqs.create_queue().queue_name(&name).send().await?;
    Ok(name)
}

/// The answers that came.
pub(super) async fn all(order: &str, world: &World) -> Result<Vec<String>> {
    let sqs = aws_sdk_sqs::Client::new(world.shop.target().config());
    let queue = sqs.get_queue_url().queue_name(format!("{PREFIX}{order}"));
    let url = queue.send().await?.queue_url.context("no queue")?;
    let mut answers = Vec::new();
    loop {
        let receiving = sqs
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10);
        let received = receiving.send().await?.messages.unwrap_or_default();
        if received.is_empty() {
            return Ok(answers);
        }
        answers.extend(received.into_iter().filter_map(|message| message.body));
    }
}
