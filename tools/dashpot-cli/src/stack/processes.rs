//! The functions' processes, found by the environment that the emulator gave them.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// Ends, without a warning, the processes whose environment holds all of `variables` (`NAME=value`), and
/// says how many there were.
pub(super) fn kill_where(variables: &[String]) -> Result<usize> {
    let found = find(variables).context("cannot look at the running processes")?;
    let killed = found
        .into_iter()
        // One that has just ended by itself needs no end.
        .filter(|process| kill_process(*process, Signal::KILL).is_ok());
    Ok(killed.count())
}

#[cfg(target_os = "linux")]
fn find(variables: &[String]) -> std::io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        // Other users' processes cannot be read, and are not ours.
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let has = |variable: &String| {
            environment
                .split(|byte| *byte == 0)
                .any(|set| set == variable.as_bytes())
        };
        if let Some(pid) = pid.and_then(Pid::from_raw)
            && variables.iter().all(has)
        {
            found.push(pid);
        }
    }
    Ok(found)
}

#[cfg(not(target_os = "linux"))]
fn find(variables: &[String]) -> std::io::Result<Vec<Pid>> {
    let listed = std::process::Command::new("ps")
        .args(["axEww", "-o", "pid=,command="])
        .output()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let process = |line: &str| {
        let mut words = line.split_whitespace();
        let pid = words.next()?.parse().ok().and_then(Pid::from_raw)?;
        let words: Vec<&str> = words.collect();
        variables
            .iter()
            .all(|variable| words.contains(&variable.as_str()))
            .then_some(pid)
    };
    Ok(listed.lines().filter_map(process).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn exactly_the_process_with_these_variables_is_ended() {
        let spawn = |name: &str| {
            Command::new("sleep")
                .arg("60")
                .env("DASHPOT_TEST_PROCESS", name)
                .spawn()
                .unwrap()
        };
        let mark = format!("ours-{}", std::process::id());
        let (mut ours, mut other) = (spawn(&mark), spawn("another"));
        assert_eq!(
            kill_where(&[format!("DASHPOT_TEST_PROCESS={mark}")]).unwrap(),
            1
        );
        assert_eq!(ours.wait().unwrap().signal(), Some(9));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
