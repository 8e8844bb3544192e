//! How the story is told: a title a scene, and a line for each thing that was seen.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::output::{self, BOLD, GREEN, YELLOW};
use crate::progress::Progress;
use crate::shop::until;

/// How long anything may take that usually takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells one scene; its clock starts with it.
#[derive(Debug)]
pub(super) struct Teller {
    start: Instant,
}

impl Teller {
    /// Begins a scene.
    pub(super) fn scene(title: &str) -> Result<Self> {
        output::line(&format!("\n{BOLD}{title}{BOLD:#}"))?;
        Ok(Self {
            start: Instant::now(),
        })
    }

    /// Something was seen just now.
    pub(super) fn saw(&self, what: &str) -> Result<()> {
        let millis = self.start.elapsed().as_millis();
        output::line(&format!("  {GREEN}✓{GREEN:#} {millis:>6} ms  {what}"))
    }

    /// Something bad was seen just now, as it should be.
    pub(super) fn saw_trouble(&self, what: &str) -> Result<()> {
        let millis = self.start.elapsed().as_millis();
        output::line(&format!("  {YELLOW}!{YELLOW:#} {millis:>6} ms  {what}"))
    }

    /// Waits for something to be seen, showing what is waited for, and tells it.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        look: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        self.wait_for(PATIENCE, what, look).await
    }

    /// The same, for something that takes its time.
    pub(super) async fn wait_for<T>(
        &self,
        patience: Duration,
        what: &str,
        look: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let seen = {
            let _waiting = Progress::Shown.waiting(what);
            until(what, patience, look).await?
        };
        self.saw(what)?;
        Ok(seen)
    }

    /// The last line of all.
    pub(super) fn end(took: Duration) -> Result<()> {
        output::line(&format!(
            "\n{GREEN}Everything came true, and adds up.{GREEN:#} {} s in all.\n\
             Next: `cargo dashpot up` starts a stack that stays; README.md says what to do with it.",
            took.as_secs()
        ))
    }
}
