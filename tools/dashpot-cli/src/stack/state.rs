//! What `dashpot up` leaves for the other commands, and how they know that it still runs.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::project;

/// The addresses of a running local stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The process that runs it.
    pub pid: u32,
    /// The AWS endpoint.
    pub endpoint: String,
    /// Where orders are taken.
    pub api_url: String,
    /// The payment sandbox.
    pub sandbox_url: String,
}

/// The right to be *the* local stack of this clone. The lock goes with the process, however it ends, so
/// a state file without a lock speaks of a stack that is gone.
#[derive(Debug)]
pub struct Tenure {
    _lock: File,
}

impl Tenure {
    /// Takes the place, or returns `None` while another process has it.
    ///
    /// # Errors
    ///
    /// `.dashpot/` cannot be written.
    pub fn take() -> Result<Option<Self>> {
        fs::create_dir_all(project::private()).context("cannot create .dashpot/")?;
        let lock =
            File::create(lock_file()).context("cannot create the lock of the local stack")?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(cause).context("cannot lock the local stack"),
        }
    }

    /// Tells the other commands where the stack is.
    ///
    /// # Errors
    ///
    /// `.dashpot/` cannot be written.
    pub fn announce(&self, state: &State) -> Result<()> {
        // Renamed into place, so that nobody reads half of it.
        let draft = state_file().with_extension("draft");
        fs::write(&draft, serde_json::to_vec_pretty(state)?)
            .context("cannot write the state of the stack")?;
        fs::rename(&draft, state_file()).context("cannot write the state of the stack")
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        // Not there when the stack never came up.
        let _ = fs::remove_file(state_file());
    }
}

impl State {
    /// The state of the stack that is running now, if one is.
    ///
    /// # Errors
    ///
    /// The state file cannot be read.
    pub fn of_running_stack() -> Result<Option<Self>> {
        if !lock_file().exists() || Tenure::take()?.is_some() {
            return Ok(None);
        }
        match fs::read(state_file()) {
            Ok(state) => Ok(Some(
                serde_json::from_slice(&state).context("the state file is damaged")?,
            )),
            // It is still starting.
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause).context("cannot read the state of the stack"),
        }
    }
}

fn lock_file() -> PathBuf {
    project::private().join("stack.lock")
}

fn state_file() -> PathBuf {
    project::private().join("stack.json")
}
