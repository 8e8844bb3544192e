//! `dashpot down`: ends the local stack, whatever state it is in.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Signal, kill_process};

use crate::output;
use crate::progress::Progress;
use crate::stack::Tenure;

const PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn run() -> Result<()> {
    let Some(pid) = Tenure::holder()? else {
        return output::line("No local stack is running.");
    };
    let step = Progress::Shown.step("Stopping the local stack");
    match kill_process(pid, Signal::TERM) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(cause) => return Err(cause).with_context(|| format!("cannot stop process {pid}")),
    }
    let deadline = Instant::now() + PATIENCE;
    while Tenure::holder()?.is_some() {
        if Instant::now() > deadline {
            bail!(
                "process {pid} does not end: `kill -9 {pid}` does; the stack goes with it",
                pid = pid.as_raw_nonzero()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    step.done();
    Ok(())
}
