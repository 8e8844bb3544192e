//! A private Python environment: made once, shared by all stacks of this clone, redone when half made.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use super::child::Guarded;

const NEEDS: &str = "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)";
const REMEDY: &str = "install Python 3.10 or newer with its venv module \
    (Debian, Ubuntu: `sudo apt install python3-venv`; macOS: `brew install python3`) and try again";

/// Says at once whether Python is there.
pub(super) async fn check() -> Result<()> {
    let status = Guarded::spawn(quiet(Command::new("python3").args(["-c", NEEDS])))
        .map_err(|cause| anyhow!("the local stack needs Python 3 ({cause}): {REMEDY}"))?
        .wait()
        .await?;
    if !status.success() {
        bail!("this python3 is too old or lacks its venv module: {REMEDY}");
    }
    Ok(())
}

/// Returns the interpreter of an environment with exactly `requirements` (a pip requirements file),
/// which is made under `home` if it is not there.
///
/// Two processes may ask at once: the second waits for the first. The environment counts as made only
/// once the last step has left a copy of the requirements in it.
pub(super) async fn environment(home: PathBuf, requirements: &str) -> Result<PathBuf> {
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    let _lock = locked(home.join("venv.lock")).await?;

    let venv = home.join("venv");
    let python = venv.join("bin").join("python");
    let complete = venv.join("complete.txt");
    if fs::read_to_string(&complete).is_ok_and(|made| made == requirements) && runs(&python).await {
        return Ok(python);
    }
    if venv.exists() {
        fs::remove_dir_all(&venv).with_context(|| format!("cannot remove {}", venv.display()))?;
    }

    let log = home.join("venv.log");
    run(
        Command::new("python3").args(["-m", "venv"]).arg(&venv),
        &log,
    )
    .await
    .with_context(|| format!("python3 cannot make a virtual environment: {REMEDY}"))?;
    let list = venv.join("requirements.txt");
    fs::write(&list, requirements).context("cannot write the list of requirements")?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ])
    .arg(&list);
    run(&mut pip, &log).await.context(
        "pip cannot install the local AWS emulator: is the package index reachable? \
         (pip's own settings apply, such as PIP_INDEX_URL and HTTPS_PROXY)",
    )?;
    fs::rename(&list, &complete).context("cannot mark the environment as complete")?;
    Ok(python)
}

/// Waits for the lock on a thread of its own; it is released when the file is dropped.
async fn locked(path: PathBuf) -> Result<File> {
    tokio::task::spawn_blocking(move || {
        let lock = File::create(path)?;
        lock.lock()?;
        Ok(lock)
    })
    .await?
    .map_err(|cause: std::io::Error| anyhow!(cause))
    .context("cannot lock the Python environment")
}

/// An interpreter whose base was upgraded or moved away is a dangling link.
async fn runs(python: &Path) -> bool {
    match Guarded::spawn(quiet(Command::new(python).args(["-c", ""]))) {
        Ok(child) => child.wait().await.is_ok_and(|status| status.success()),
        Err(_) => false,
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

async fn run(command: &mut Command, log: &Path) -> Result<()> {
    let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let status = Guarded::spawn(command)?.wait().await?;
    if !status.success() {
        bail!(
            "it ended with {status}:\n{}",
            fs::read_to_string(log).unwrap_or_default().trim_end()
        );
    }
    Ok(())
}
