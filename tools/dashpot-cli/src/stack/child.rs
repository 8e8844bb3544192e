//! A child process that does not outlive the task which waits for it.

use std::io;
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(20);

/// A running child. Dropping it before it has ended kills it: a cancelled build must not go on.
///
/// It stays in our process group, so that Ctrl-C reaches it, and what it started, as well.
#[derive(Debug)]
pub(super) struct Guarded(Child);

impl Guarded {
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    pub(super) fn stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    pub(super) async fn wait(mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // It may end by itself between the two.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test]
    async fn a_child_that_nobody_waits_for_any_more_is_killed() {
        let mut child = Guarded::spawn(
            Command::new("sh")
                .args(["-c", "echo started; sleep 60"])
                .stdout(std::process::Stdio::piped()),
        )
        .unwrap();
        let mut stdout = child.stdout().unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(100), child.wait());

        assert!(waiting.await.is_err(), "it should still have been running");
        // The shell is gone, though its `sleep` may still hold the pipe: only the shell was ours.
        let mut line = [0; 8];
        io::Read::read_exact(&mut stdout, &mut line).unwrap();
        assert_eq!(&line, b"started\n");
    }
}
