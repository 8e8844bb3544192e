use std::time::Duration;

/// What a process has used since its start, as Linux counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The memory that is resident now, in bytes.
    pub resident: u64,
    /// The most that ever was, in bytes.
    pub peak_resident: u64,
    /// The time on a processor, of all its threads that still live.
    pub cpu: Duration,
}

impl Usage {
    /// None where there is no such process, and on other systems than Linux.
    pub(super) fn of(process: u32) -> Option<Self> {
        let status = status(process)?;
        let mut cpu = Duration::ZERO;
        for thread in std::fs::read_dir(format!("/proc/{process}/task")).ok()? {
            // A thread may end while it is looked at.
            let times = std::fs::read_to_string(thread.ok()?.path().join("schedstat"));
            let times = times.unwrap_or_default();
            let nanoseconds = times.split(' ').next().and_then(|text| text.parse().ok());
            cpu += Duration::from_nanos(nanoseconds.unwrap_or_default());
        }
        Some(Self {
            resident: bytes(&status, "VmRSS:")?,
            peak_resident: bytes(&status, "VmHWM:")?,
            cpu,
        })
    }
}

/// The resident memory of a process, in bytes.
pub(super) fn resident(process: u32) -> Option<u64> {
    bytes(&status(process)?, "VmRSS:")
}

fn status(process: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{process}/status")).ok()
}

fn bytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
