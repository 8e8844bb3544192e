//! The functions, built from source in one go and packed as Lambda takes them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::child::Guarded;
use crate::progress::Progress;
use crate::project;

/// The executables of `functions/`, by name.
pub(super) type Binaries = BTreeMap<String, PathBuf>;

/// Builds every function, in the profile and with the features of `cargo run` and `cargo test`, so that
/// nothing is compiled twice.
///
/// Cargo unifies features over the packages that are selected; hence the whole workspace, not one
/// `--package` after the other.
pub(super) async fn build(progress: Progress) -> Result<Binaries> {
    progress.note("Building the functions (the first time takes minutes)");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--workspace",
            "--bins",
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(project::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if progress == Progress::Silent {
        command.arg("--quiet");
    }
    for variable in variables_of_this_run() {
        command.env_remove(variable);
    }
    let mut child = Guarded::spawn(&mut command).context("cannot run cargo: is Rust installed?")?;
    let messages = child.stdout().context("cargo has no output")?;
    let reading = tokio::task::spawn_blocking(|| {
        BufReader::new(messages)
            .lines()
            .map(|line| line.map(|line| function(&line)))
            .filter_map(std::io::Result::transpose)
            .collect::<std::io::Result<Binaries>>()
    });
    let status = child.wait().await?;
    ensure!(
        status.success(),
        "the functions do not build: see the compiler's messages above"
    );
    Ok(reading.await??)
}

/// What cargo told this process about itself. Build scripts look at some of it, and would run again.
fn variables_of_this_run() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_BIN_")
            || matches!(
                &*name,
                "CARGO_MANIFEST_DIR"
                    | "CARGO_MANIFEST_PATH"
                    | "CARGO_CRATE_NAME"
                    | "CARGO_PRIMARY_PACKAGE"
                    | "OUT_DIR"
            )
    })
}

/// The function that a line of cargo's messages speaks of, if it speaks of one.
fn function(line: &str) -> Option<(String, PathBuf)> {
    #[derive(Deserialize)]
    struct Message {
        manifest_path: PathBuf,
        target: Target,
        executable: PathBuf,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    message
        .manifest_path
        .starts_with(project::root().join("functions"))
        .then_some((message.target.name, message.executable))
}

/// The archive that Lambda runs: one executable named `bootstrap`. Stored, not deflated: it travels over
/// the loopback interface only.
pub(super) fn archive(executable: &[u8]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::with_capacity(executable.len() + 1024)));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    zip.write_all(executable)?;
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_archive_holds_one_stored_executable_named_bootstrap() {
        let archive = archive(b"#!/bin/sh\n").unwrap();

        let mut zip = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        assert_eq!(zip.len(), 1);
        let file = zip.by_index(0).unwrap();
        assert_eq!(file.name().unwrap(), "bootstrap");
        assert_eq!(file.unix_mode().unwrap() & 0o777, 0o755);
        assert_eq!(file.compression(), CompressionMethod::Stored);
    }

    #[test]
    fn only_executables_under_functions_count() {
        let message = |folder: &str| {
            serde_json::json!({
                "reason": "compiler-artifact",
                "manifest_path": project::root().join(folder).join("Cargo.toml"),
                "target": { "name": "inventory" },
                "executable": "/target/debug/inventory",
            })
            .to_string()
        };

        assert_eq!(
            function(&message("functions/inventory")),
            Some((
                "inventory".to_owned(),
                PathBuf::from("/target/debug/inventory")
            ))
        );
        assert_eq!(function(&message("tools/dashpot-cli")), None);
        assert_eq!(
            function(r#"{"reason":"build-finished","success":true}"#),
            None
        );
    }
}
