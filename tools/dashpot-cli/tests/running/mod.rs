//! A stack that has everything the commands look at, and no functions.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dashpot_cli::progress::Progress;
use dashpot_cli::stack::{Options, Stack, Tenure};
use serde_json::Value;

/// A stack that the binary takes for the running one.
pub(crate) struct Running {
    pub(crate) stack: Stack,
    _tenure: Tenure,
    pub(crate) directory: PathBuf,
}

impl Running {
    pub(crate) async fn start(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let tenure = Tenure::take_in(directory.clone()).await.unwrap().unwrap();
        let stack = Stack::start(Options {
            progress: Progress::Silent,
            template: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/template.yaml"),
            ..Options::default()
        })
        .await
        .unwrap();
        tenure.announce(stack.state()).unwrap();
        Self {
            stack,
            _tenure: tenure,
            directory,
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dashpot"));
        command.args(arguments);
        command.env("DASHPOT_STATE_DIR", &self.directory);
        command
    }

    pub(crate) fn dashpot(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.dashpot(&[arguments, &["--json"]].concat());
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
