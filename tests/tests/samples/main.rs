//! The events under `events/`: shaped as AWS would send them, and what becomes of them.
//!
//! - [`shape`]: every field that AWS sets, checksums included
//! - [`outcome`]: each consumer's samples through its handler
//! - [`doubles`]: what stands in for the world outside

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod doubles;
mod outcome;
mod shape;

use std::path::{Path, PathBuf};

use serde_json::Value;

const FUNCTIONS: [&str; 13] = [
    "analytics",
    "checkout",
    "email",
    "inventory",
    "invoices",
    "journal",
    "listing",
    "orders",
    "payments",
    "quotes",
    "relay",
    "sweeper",
    "warehouse",
];
const CONSUMERS: [&str; 9] = [
    "analytics",
    "email",
    "inventory",
    "invoices",
    "journal",
    "listing",
    "payments",
    "quotes",
    "warehouse",
];
const SAMPLES: [&str; 4] = ["good", "duplicate", "malformed", "mixed-batch"];

/// What checkout's second route has besides.
const CANCEL: &str = "cancel";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

/// A sample's text, byte for byte what the function gets.
fn sample(function: &str, name: &str) -> String {
    let path = folder().join(function).join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed(function: &str, name: &str) -> Value {
    serde_json::from_str(&sample(function, name)).unwrap()
}

/// The records of a sample that is a batch.
fn records(function: &str, name: &str) -> Vec<Value> {
    let Value::Array(records) = parsed(function, name)["Records"].take() else {
        panic!("{function}/{name} has no records");
    };
    records
}
