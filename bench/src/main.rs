//! Measures whole binaries behind a fake Runtime API, each beside a peer in the same run: see docs/PERFORMANCE.md.
//!
//! `cargo binaries cpu|start|resident|growth|store|replay` from the root.

mod endpoint;
mod event;
mod host;
mod scenarios;
mod sqs;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the project lies: beside this folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("it has one")
}

/// One of dashpot's examples, built as it ships; or from the folder that `EXAMPLES` names, where another build is to be
/// measured.
pub fn example(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os("EXAMPLES") {
        return Path::new(&folder).join(name);
    }
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root()).args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "dashpot",
        "--example",
        name,
    ]);
    assert!(
        build.status().expect("cargo runs").success(),
        "the example is built"
    );
    root().join("target/release/examples").join(name)
}

/// The command line, built as `cargo dashpot` builds it; or the one that `COMMAND_LINE` names, where another build is to be measured.
pub fn command_line() -> PathBuf {
    if let Some(built) = std::env::var_os("COMMAND_LINE") {
        return built.into();
    }
    let mut build = Command::new(env!("CARGO"));
    build
        .current_dir(root())
        .args(["build", "--quiet", "--workspace", "--bins"]);
    assert!(
        build.status().expect("cargo runs").success(),
        "the command line is built"
    );
    root().join("target/debug/dashpot")
}

/// One of the peers, which lie beside this binary.
pub fn peer(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a path");
    here.with_file_name(name)
}

fn main() {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.is_empty() {
        wanted = ["cpu", "start", "resident", "growth", "store", "replay"]
            .map(str::to_owned)
            .into();
    }
    for scenario in wanted {
        println!("\n## {scenario}");
        match scenario.as_str() {
            "cpu" => scenarios::cpu(),
            "start" => scenarios::start(),
            "resident" => scenarios::resident(),
            "growth" => scenarios::growth(),
            "store" => scenarios::store(),
            "replay" => scenarios::replay(),
            unknown => panic!("there is no scenario {unknown}"),
        }
    }
}
