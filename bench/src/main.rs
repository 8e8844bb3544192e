//! Measures whole binaries behind a fake Runtime API, each beside a peer in the same run: see docs/PERFORMANCE.md.
//!
//! `cargo binaries cpu|start|resident|growth|store` from the root.

mod endpoint;
mod event;
mod host;
mod scenarios;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the project lies: beside this folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it has one")
}

/// One of dashpot's examples, built as it ships.
pub fn example(name: &str) -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root()).args(["build", "--release", "--quiet", "--package", "dashpot", "--example", name]);
    assert!(build.status().expect("cargo runs").success(), "the example is built");
    root().join("target/release/examples").join(name)
}

/// One of the peers, which lie beside this binary.
pub fn peer(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a path");
    here.with_file_name(name)
}

fn main() {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.is_empty() {
        wanted = ["cpu", "start", "resident", "growth", "store"].map(str::to_owned).into();
    }
    for scenario in wanted {
        println!("\n## {scenario}");
        match scenario.as_str() {
            "cpu" => scenarios::cpu(),
            "start" => scenarios::start(),
            "resident" => scenarios::resident(),
            "growth" => scenarios::growth(),
            "store" => scenarios::store(),
            unknown => panic!("there is no scenario {unknown}"),
        }
    }
}
