//! The contract between the services, as `docs/events` publishes it: see [docs/events/README.md](../../../docs/events/README.md).
//!
//! - [`schemas`]: the schemas say what the code reads
//! - [`asyncapi`]: the document is one, and says where which message goes
//! - [`compatibility`]: what would break a consumer is told, and not written
//! - [`pins`]: what each consumer relies on, and that its producers say it; [`consumers`] are what that is found out with
//! - [`mixed`]: several versions at once

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asyncapi;
mod compatibility;
mod consumers;
mod mixed;
mod pins;
mod schemas;

use std::collections::BTreeMap;

use serde_json::Value;
use system_tests::contract::versioned;
use system_tests::template::project_root;

/// Of each payload one as it was published: see `shared/shop-events/tests/golden.rs`.
fn golden() -> BTreeMap<(String, u32), Value> {
    versioned(&project_root().join("shared/shop-events/golden"))
}
