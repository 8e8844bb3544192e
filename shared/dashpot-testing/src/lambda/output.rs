use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::sync::Mutex;

/// What processes print on one of their two streams: a file without a name, which goes with the last handle on it.
///
/// A file and no pipe: what a process has written before it answers can be read as soon as it has answered.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    /// How much of it was taken.
    taken: Mutex<u64>,
}

impl Output {
    pub(super) fn new() -> io::Result<Self> {
        let name = format!("dashpot-output-{:032x}", fastrand::u128(..));
        let path = std::env::temp_dir().join(name);
        let mut options = fs::OpenOptions::new();
        // Appending, for it is written to by one process after the other.
        let file = options
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)?;
        fs::remove_file(&path)?;
        Ok(Self {
            file,
            taken: Mutex::default(),
        })
    }

    /// The end that a process writes to.
    pub(super) fn writer(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// The whole lines that nobody took yet.
    pub(super) fn take_lines(&self) -> io::Result<Vec<String>> {
        let mut taken = self
            .taken
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let there = self.file.metadata()?.len();
        let length = usize::try_from(there - *taken).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, *taken)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        bytes.truncate(whole);
        *taken += whole as u64;
        Ok(String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::to_owned)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::io::Write;

    use super::*;

    #[test]
    fn each_whole_line_is_taken_once() {
        let output = Output::new().unwrap();
        let mut writer = output.file.try_clone().unwrap();
        writer.write_all(b"one\ntwo\nhalf").unwrap();
        assert_eq!(output.take_lines().unwrap(), ["one", "two"]);
        assert!(output.take_lines().unwrap().is_empty());
        writer.write_all(b" a line\n").unwrap();
        assert_eq!(output.take_lines().unwrap(), ["half a line"]);
    }
}
