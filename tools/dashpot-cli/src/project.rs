//! Where things lie in the clone that this tool was built from.

use std::path::{Path, PathBuf};

/// The root of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    // `tools/dashpot-cli` is two levels down.
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest)
}

/// The system's one template.
#[must_use]
pub fn template() -> PathBuf {
    root().join("template.yaml")
}

/// What the local stack keeps between and during its runs; git ignores it.
#[must_use]
pub fn private() -> PathBuf {
    root().join(".dashpot")
}
