//! What others may know of the shop's events: `docs/events`, made of `shop-events` and `template.yaml`.
//!
//! - [`compatibility`]: whether a schema may take the place of the one that is published
//! - [`asyncapi`]: the topic, the queues, and which messages go where

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

pub mod asyncapi;
pub mod compatibility;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shop_events::schema::Published;

use crate::template::{Template, project_root};
use compatibility::Break;

/// Renews what lies in [`folder`].
pub const RENEW: &str = "cargo contract";

/// Where the documents lie.
#[must_use]
pub fn folder() -> PathBuf {
    project_root().join("docs/events")
}

/// Every document, by its path in the folder, as it is made of these payloads and of `template.yaml`.
#[must_use]
pub fn documents(published: &[Published]) -> BTreeMap<String, Value> {
    let template = Template::at("prod");
    let schemas = published
        .iter()
        .map(|it| (schema_path(it.name, it.version), it.schema.clone()));
    let asyncapi = asyncapi::document(template, published);
    schemas
        .chain([("asyncapi.json".to_owned(), asyncapi)])
        .collect()
}

/// Where a payload's schema lies in the folder.
#[must_use]
pub fn schema_path(name: &str, version: u32) -> String {
    format!("schemas/{name}.v{version}.json")
}

/// The schemas that are published, by name and version.
#[must_use]
pub fn committed(folder: &Path) -> BTreeMap<(String, u32), Value> {
    versioned(&folder.join("schemas"))
}

/// The files of a folder whose names are `{name}.v{version}.json`.
#[must_use]
pub fn versioned(folder: &Path) -> BTreeMap<(String, u32), Value> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let (name, version) = path.file_stem()?.to_str()?.rsplit_once(".v")?;
        let text = fs::read_to_string(&path).unwrap();
        let key = (name.to_owned(), version.parse().ok()?);
        Some((key, serde_json::from_str(&text).unwrap()))
    };
    fs::read_dir(folder).unwrap().filter_map(read).collect()
}

/// A document as it lies on disk.
#[must_use]
pub fn text(document: &Value) -> String {
    format!("{document:#}\n")
}

/// Writes the documents that are new or have changed, and says which. Where one would break a consumer, nothing is
/// written.
///
/// # Errors
/// What would break whom.
pub fn renew(folder: &Path, published: &[Published]) -> Result<Vec<String>, Vec<Break>> {
    let breaks = compatibility::breaks(&committed(folder), published);
    if !breaks.is_empty() {
        return Err(breaks);
    }
    let mut documents = documents(published);
    documents.retain(|path, document| {
        fs::read_to_string(folder.join(path)).ok().as_ref() != Some(&text(document))
    });
    for (path, document) in &documents {
        fs::write(folder.join(path), text(document)).unwrap();
    }
    Ok(documents.into_keys().collect())
}
