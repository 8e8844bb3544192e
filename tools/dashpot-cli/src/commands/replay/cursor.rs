//! How far a replay has come.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;
use uuid::Uuid;

use super::Arguments;
use crate::stack::state_directory;

/// How far a replay has come: a file for each queue and choice.
pub(super) struct Cursor(PathBuf);

impl Cursor {
    pub(super) fn of(queue: &str, asked: &Arguments) -> Self {
        let choice = json!([queue, asked.from, asked.until, asked.types, asked.order]).to_string();
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, choice.as_bytes());
        Self(state_directory().join(format!("replay-{}.json", name.simple())))
    }

    /// The last hour that was sent as a whole, and how many events were until then.
    pub(super) fn read(&self) -> Result<Option<(u64, u64)>> {
        let text = match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", self.0.display()))?,
        };
        let broken = || {
            format!(
                "{} is broken: remove it, or begin --afresh",
                self.0.display()
            )
        };
        serde_json::from_str(&text).map(Some).with_context(broken)
    }

    pub(super) fn write(&self, hour: u64, sent: u64) -> Result<()> {
        let cannot = || format!("cannot write {}", self.0.display());
        // A kill leaves the old one, or the new.
        let draft = self.0.with_extension("draft");
        fs::create_dir_all(self.0.parent().unwrap_or(&self.0)).with_context(cannot)?;
        fs::write(&draft, json!([hour, sent]).to_string()).with_context(cannot)?;
        fs::rename(&draft, &self.0).with_context(cannot)
    }

    pub(super) fn forget(&self) -> Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.0.display()))
            }
            _ => Ok(()),
        }
    }
}
