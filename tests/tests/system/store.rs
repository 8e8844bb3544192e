use anyhow::{Context, Result};
use dashpot::DynamoStore;
use dashpot_testing::conformance;

use crate::world::World;

/// In checkout's table, which has the index: the suite's rows are in nobody's way.
pub(crate) async fn a_real_table_keeps_every_promise_of_a_store(world: &World) -> Result<()> {
    let target = world.shop.target();
    let table = target.resources().id("CheckoutTable")?;
    let store = DynamoStore::new(target.config(), table);
    conformance::check(&store).await.context("DynamoStore")?;
    conformance::check_scan(&store).await.context("DynamoStore")
}
