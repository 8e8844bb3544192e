use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::sync::watch;

use super::api::{Progress, RuntimeApi};
use super::output::Output;
use super::settings::Settings;
use super::usage;

/// How often the memory of a process is looked at.
const LOOK: Duration = Duration::from_millis(3);

/// One process and its Runtime API. Dropping it ends the process, and what that has started.
#[derive(Debug)]
pub(super) struct Environment {
    child: Child,
    pid: Pid,
    exited: watch::Receiver<bool>,
    running: Running,
    pub(super) api: RuntimeApi,
    memory: u64,
    started: Instant,
    /// From its start to its first request for an event.
    pub(super) initialised_after: Option<Duration>,
}

/// Why a process came no further.
#[derive(Debug)]
pub(super) enum Stop {
    Exited(ExitStatus),
    TimedOut,
    InitFailed,
}

impl Environment {
    pub(super) async fn start(
        binary: &Path,
        name: &str,
        settings: &Settings,
        output: Option<&(Output, Output)>,
        running: &Running,
    ) -> io::Result<Self> {
        let api = RuntimeApi::start().await?;
        let folder = binary.parent().unwrap_or(Path::new("/"));
        let (stdout, stderr) = match output {
            Some((stdout, stderr)) => (stdout.writer()?, stderr.writer()?),
            None => (Stdio::null(), Stdio::null()),
        };
        let started = Instant::now();
        let child = Command::new(binary)
            .env_clear()
            .envs(settings.environment(name, folder, &api.address.to_string()))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            // A group of its own, so that it ends with all that it has started.
            .process_group(0)
            .spawn()?;
        let pid = Pid::from_child(&child);
        if settings.freezes {
            api.freeze(pid);
        }
        running.set(Some(pid));
        Ok(Self {
            exited: watch_exit(pid),
            child,
            pid,
            running: running.clone(),
            api,
            memory: u64::from(settings.memory) * 1024 * 1024,
            started,
            initialised_after: None,
        })
    }

    /// Waits until the process asks for an event.
    pub(super) async fn ready(&mut self, patience: Duration) -> Result<(), Stop> {
        let mut progress = self.api.progress();
        let waiting = async {
            let at =
                |progress: &Progress| matches!(progress, Progress::Waiting | Progress::InitFailed);
            progress
                .wait_for(at)
                .await
                .map_or(Progress::InitFailed, |progress| *progress)
        };
        if self.within(patience, waiting).await? == Progress::InitFailed {
            return Err(Stop::InitFailed);
        }
        self.initialised_after
            .get_or_insert_with(|| self.started.elapsed());
        Ok(())
    }

    /// Waits for something that the process does; it must be done in time, and with the memory that there is.
    pub(super) async fn within<T>(
        &mut self,
        patience: Duration,
        doing: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        let mut exited = self.exited.clone();
        let (process, memory) = (self.pid(), self.memory);
        let too_large = async {
            loop {
                // First, for most of what is waited for takes less.
                tokio::time::sleep(LOOK).await;
                if usage::resident(process).is_some_and(|resident| resident > memory) {
                    return;
                }
            }
        };
        let stopped = tokio::select! {
            biased;
            done = doing => return Ok(done),
            // Without a sender nobody looks any more.
            _ = exited.wait_for(|exited| *exited) => None,
            () = tokio::time::sleep(patience) => Some(Stop::TimedOut),
            // Lambda's own end of a process that wants more than it may have. Other systems show nothing of it.
            () = too_large => None,
        };
        let status = self.kill();
        Err(stopped.unwrap_or(Stop::Exited(status)))
    }

    pub(super) fn has_exited(&self) -> bool {
        *self.exited.borrow()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process, if it has not ended by itself, and says how it ended.
    pub(super) fn kill(&mut self) -> ExitStatus {
        // Until it is waited for, here and nowhere else, its id cannot be another's.
        self.running.set(None);
        if let Ok(Some(status)) = self.child.try_wait() {
            return status;
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.child.wait().unwrap_or_default()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The process that runs now, for whoever kills it from outside. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<Mutex<Option<Pid>>>);

impl Running {
    fn set(&self, process: Option<Pid>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    pub(super) fn kill(&self) {
        // Locked meanwhile, so that its id is not another's yet.
        let process = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = *process {
            // One that has just ended by itself needs no end.
            let _ = kill_process_group(process, Signal::KILL);
        }
    }
}

/// Tells when a process has ended, and leaves it to be waited for. No signal handler: a test has no right to one.
fn watch_exit(pid: Pid) -> watch::Receiver<bool> {
    let (exited, receiver) = watch::channel(false);
    std::thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // An error, too, means that it is gone; only an interruption does not.
        while matches!(
            waitid(WaitId::Pid(pid), options),
            Err(rustix::io::Errno::INTR)
        ) {}
        exited.send_replace(true);
    });
    receiver
}
