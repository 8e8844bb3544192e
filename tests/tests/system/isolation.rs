//! Messages that end the process, as `cargo run --example isolation` shows it with release binaries and many more.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use system_tests::isolation::{DEEDS, run};

use crate::world::World;

pub(crate) async fn a_message_that_ends_the_process_hurts_no_neighbour(
    world: &World,
) -> Result<()> {
    let tests = std::env::current_exe()?;
    let binary = tests
        .parent()
        .context("no folder")?
        .with_file_name("examples")
        .join("poison");
    let batches = DEEDS.into_iter().enumerate().map(async |(n, deed)| {
        let mut orders = ["nothing"; 10];
        // At the head, in the middle, at the end.
        orders[n * 3] = deed;
        let name = format!("isolation-{deed}");
        let (config, endpoint) = (world.shop.target().config(), world.stack.environment());
        let outcome = run(
            config,
            &endpoint,
            &binary,
            &name,
            &orders,
            1,
            Duration::from_mins(2),
        )
        .await;
        let outcome = outcome.with_context(|| deed)?;
        let most = outcome.receives.keys().max().copied().unwrap_or_default();
        ensure!(
            most <= 3,
            "{deed}: a neighbour was received {most} times: {outcome:?}"
        );
        anyhow::Ok(())
    });
    try_join_all(batches).await?;
    Ok(())
}
