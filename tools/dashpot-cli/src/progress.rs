//! What a person sees while something takes time: a line that moves on a terminal, plain lines
//! elsewhere. It goes to standard error, so that answers on standard output stay clean.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

const FRAMES: [&str; 8] = ["⣾", "⣽", "⣻", "⢿", "⡿", "⣟", "⣯", "⣷"];
const TICK: Duration = Duration::from_millis(120);

/// Whether, and where, progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// On standard error.
    Shown,
    /// Nowhere: for tests, whose output is their own.
    Silent,
}

impl Progress {
    /// Begins a step. It ends well with [`Step::done`]; dropped before, it is shown as failed.
    #[must_use]
    pub fn step(self, label: impl Into<String>) -> Step {
        let label = label.into();
        let started = Instant::now();
        let spinner = match self {
            Self::Silent => None,
            Self::Shown if std::io::stderr().is_terminal() => Some(Spinner::start(label.clone())),
            Self::Shown => {
                say(&format!("… {label}"));
                None
            }
        };
        Step {
            label,
            started,
            spinner,
            progress: self,
            finished: false,
        }
    }

    /// Shows, while the returned value lives and where a line can move, what is waited for.
    #[must_use]
    pub fn waiting(self, label: impl Into<String>) -> impl Sized {
        let shown = self == Self::Shown && std::io::stderr().is_terminal();
        shown.then(|| Spinner::start(label.into()))
    }

    /// One line that is not a step.
    pub fn note(self, line: &str) {
        if self == Self::Shown {
            say(line);
        }
    }
}

/// A step that is under way.
#[derive(Debug)]
pub struct Step {
    label: String,
    started: Instant,
    spinner: Option<Spinner>,
    progress: Progress,
    finished: bool,
}

impl Step {
    /// Says what the step is waiting for now, where the line can move.
    pub fn detail(&self, detail: impl Into<String>) {
        if let Some(spinner) = &self.spinner {
            // A spinner that has gone has nothing to show.
            let _ = spinner.details.send(detail.into());
        }
    }

    /// The step ended well.
    pub fn done(mut self) {
        self.finish("✓", AnsiColor::Green);
    }

    fn finish(&mut self, mark: &str, colour: AnsiColor) {
        self.finished = true;
        drop(self.spinner.take());
        if self.progress == Progress::Shown {
            let style = Style::new().fg_color(Some(colour.into()));
            let seconds = self.started.elapsed().as_secs_f64();
            say(&format!(
                "{style}{mark}{style:#} {} ({seconds:.1} s)",
                self.label
            ));
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished {
            self.finish("✗", AnsiColor::Red);
        }
    }
}

/// The thread that moves the line; dropping it wipes the line.
#[derive(Debug)]
struct Spinner {
    details: Sender<String>,
    thread: Option<JoinHandle<()>>,
}

impl Spinner {
    fn start(label: String) -> Self {
        let (details, news) = mpsc::channel::<String>();
        let thread = std::thread::spawn(move || {
            let started = Instant::now();
            let mut detail = String::new();
            for frame in FRAMES.iter().cycle() {
                let seconds = started.elapsed().as_secs();
                let line: String = format!("{frame} {label} {seconds} s  {detail}")
                    .chars()
                    .take(100)
                    .collect();
                draw(&line);
                match news.recv_timeout(TICK) {
                    Ok(news) => detail = news,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            draw("");
        });
        Self {
            details,
            thread: Some(thread),
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        // Replacing the sender disconnects the channel, which ends the thread.
        self.details = mpsc::channel().0;
        if let Some(thread) = self.thread.take() {
            // A panic in there concerns a line on the screen only.
            let _ = thread.join();
        }
    }
}

fn draw(line: &str) {
    let mut stderr = std::io::stderr().lock();
    // A terminal that has gone away must not end the work.
    let _ = write!(stderr, "\r\u{1b}[2K{line}");
    let _ = stderr.flush();
}

fn say(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}
