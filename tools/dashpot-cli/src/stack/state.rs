//! What `dashpot up` leaves for the other commands, and how they know that it still runs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::project;

/// The addresses of a running local stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The AWS endpoint.
    pub endpoint: String,
    /// Where orders are taken.
    pub api_url: String,
    /// The payment sandbox.
    pub sandbox_url: String,
}

/// The right to be *the* local stack of this clone: an exclusive lock on a file that holds the process id.
/// The lock goes with the process, however it ends, so nothing that lies about can speak of a stack that
/// is gone.
#[derive(Debug)]
pub struct Tenure {
    lock: File,
    directory: PathBuf,
}

/// Where the state lies: `.dashpot/`, or wherever `DASHPOT_STATE_DIR` says, for a second stack of the same
/// clone.
#[must_use]
pub fn state_directory() -> PathBuf {
    std::env::var_os("DASHPOT_STATE_DIR").map_or_else(project::private, PathBuf::from)
}

impl Tenure {
    /// Takes the place, or returns `None` while another process has it.
    ///
    /// # Errors
    ///
    /// The directory of the state cannot be written.
    pub async fn take() -> Result<Option<Self>> {
        Self::take_in(state_directory()).await
    }

    /// Takes the place in another directory than the ordinary one.
    ///
    /// # Errors
    ///
    /// The directory cannot be written.
    pub async fn take_in(directory: PathBuf) -> Result<Option<Self>> {
        let mut lock = open_lock(&directory)?;
        // A command that looks whether a stack runs holds the lock for a moment.
        for _ in 0..20 {
            match lock.try_lock() {
                Ok(()) => {
                    // What a killed predecessor announced is no longer true.
                    match fs::remove_file(state_file(&directory)) {
                        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                            return Err(cause).context("cannot remove an earlier stack's state");
                        }
                        _ => {}
                    }
                    lock.set_len(0)?;
                    write!(lock, "{}", std::process::id())?;
                    return Ok(Some(Self { lock, directory }));
                }
                Err(TryLockError::WouldBlock) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::Error(cause)) => {
                    return Err(cause).context("cannot lock the local stack");
                }
            }
        }
        Ok(None)
    }

    /// The process that has the place, if one has.
    ///
    /// # Errors
    ///
    /// `.dashpot/` cannot be read.
    pub fn holder() -> Result<Option<Pid>> {
        let mut lock = open_lock(&state_directory())?;
        match lock.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                lock.read_to_string(&mut pid)?;
                Ok(pid.trim().parse().ok().and_then(Pid::from_raw))
            }
            Err(TryLockError::Error(cause)) => {
                Err(cause).context("cannot look for the local stack")
            }
        }
    }

    /// Tells the other commands where the stack is.
    ///
    /// # Errors
    ///
    /// `.dashpot/` cannot be written.
    pub fn announce(&self, state: &State) -> Result<()> {
        // Renamed into place, so that nobody reads half of it.
        let draft = state_file(&self.directory).with_extension("draft");
        fs::write(&draft, serde_json::to_vec_pretty(state)?)
            .context("cannot write the stack's state")?;
        fs::rename(&draft, state_file(&self.directory)).context("cannot write the stack's state")
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        // Not there when the stack never came up.
        let _ = fs::remove_file(state_file(&self.directory));
        let _ = self.lock.set_len(0);
    }
}

impl State {
    /// The state of the stack that is running now, if one is.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub fn of_running_stack() -> Result<Option<Self>> {
        if Tenure::holder()?.is_none() {
            return Ok(None);
        }
        match fs::read(state_file(&state_directory())) {
            Ok(state) => Ok(Some(
                serde_json::from_slice(&state).context("the stack's state is damaged")?,
            )),
            // It is still starting.
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause).context("cannot read the stack's state"),
        }
    }
}

fn open_lock(directory: &Path) -> Result<File> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(directory.join("stack.lock"))
        .context("cannot open the lock of the local stack")
}

fn state_file(directory: &Path) -> PathBuf {
    directory.join("stack.json")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test]
    async fn what_a_killed_stack_announced_is_forgotten_by_the_next_one() {
        let directory = std::env::temp_dir().join(format!("dashpot-state-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(state_file(&directory), "{}").unwrap();
        let tenure = Tenure::take_in(directory.clone()).await.unwrap().unwrap();
        assert!(!state_file(&directory).exists());
        drop(tenure);
        fs::remove_dir_all(&directory).unwrap();
    }
}
