//! `dashpot demo`: the whole system at work, on a stack of its own.
//!
//! Every line that it prints was observed a moment before; what does not come true ends it with an error.
//! - [`story`]: the scenes, in the order in which they are told
//! - [`teller`]: how they are told
//! - [`tally`]: the table at the end, which must add up

mod story;
mod tally;
mod teller;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::progress::Progress;
use crate::shutdown;
use crate::stack::{Options, Stack};

use self::teller::Teller;

/// Starts a stack, tells the story, stops the stack: also on Ctrl-C and on failure.
///
/// # Errors
///
/// Something did not come true, or the table at the end does not add up.
pub(crate) async fn run() -> Result<()> {
    let begun = Instant::now();
    let told = tokio::select! {
        told = tell() => told,
        wish = shutdown::requested() => {
            wish?;
            bail!("stopped before the end; everything that it had started is stopped too")
        }
    };
    // Dropping the story has stopped the stack.
    told?;
    Teller::end(begun.elapsed())
}

async fn tell() -> Result<()> {
    let stack = Stack::start(Options {
        progress: Progress::Shown,
        // An order is late after seconds, so that one can see it.
        parameters: [("LateAfterSeconds".to_owned(), "3".to_owned())].into(),
        ..Options::default()
    })
    .await?;
    let told = story::tell(&stack).await;
    let step = Progress::Shown.step("Stopping everything that was started");
    stack.stop();
    step.done();
    told
}
