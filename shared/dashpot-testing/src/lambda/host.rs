use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dashpot::Invocation;
use hyper::body::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::api::Event;
use super::environment::{Environment, Running, Stop};
use super::output::Output;
use super::settings::{REGION, Settings};
use super::usage::Usage;
use crate::function::{Function, FunctionError, LARGEST_PAYLOAD};

/// How long a process has to [ask for its first event].
///
/// [ask for its first event]: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// One [execution environment] of a function: a real process behind the Runtime API, under Lambda's rules and by the
/// real clock.
///
/// - One invocation at a time; a second one waits for the first.
/// - The process finds Lambda's variables in its environment, the function's own, and nothing else.
/// - At the function's timeout it is killed, and above its memory (on Linux); it is frozen between invocations.
/// - After a death the next invocation starts a new process. One that does not get to ask for its first event within
///   10 s, or dies before, gets a second chance within the next invocation's time.
/// - What is too large is refused in both directions, and so is an answer that comes out of turn or under a wrong id.
/// - It ends with the host, however that goes.
///
/// ```no_run
/// use dashpot_testing::{Delivery, Invoked, LambdaHost, Settings, sqs_event};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let settings = Settings::default().env("TABLE_NAME", "billing").memory(256);
/// let billing = LambdaHost::start("target/debug/billing", settings).await?;
///
/// let event = sqs_event("billing", &[Delivery::new("1", r#"{"orderId":"42"}"#)]);
/// let invoked = billing.invoke(&event).await;
///
/// assert_eq!(invoked, Invoked::Answer(r#"{"batchItemFailures":[]}"#.into()));
/// assert!(billing.take_stdout()?.iter().any(|line| line.contains("42")));
/// # Ok(())
/// # }
/// ```
///
/// [execution environment]: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
#[derive(Debug)]
pub struct LambdaHost {
    binary: PathBuf,
    name: String,
    settings: Settings,
    output: Option<(Output, Output)>,
    running: Running,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    environment: Option<Environment>,
    /// When an answered process must have asked for its next event: its time runs on until then.
    deadline: Option<Instant>,
    /// How many processes there were.
    started: usize,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invoked {
    /// The function's answer. Lambda does not look into it.
    Answer(String),
    /// The function, or Lambda in its place, says that it failed.
    Error {
        /// What Lambda calls it, or the function: `Function.ResponseSizeTooLarge`.
        kind: String,
        /// In words.
        message: String,
    },
    /// It took longer than the function's timeout, and the process was killed.
    TimedOut,
    /// The process ended by itself, or was killed for its memory, before it answered.
    Exited {
        /// How.
        status: ExitStatus,
    },
    /// The event is larger than 6 MB: the function never saw it.
    TooLarge,
}

impl LambdaHost {
    /// Starts a process and waits until it asks for its first event.
    ///
    /// # Errors
    /// The binary cannot be run at all. One that ends or fails while it starts is no error here: the first invocation
    /// says so.
    pub async fn start(binary: impl Into<PathBuf>, settings: Settings) -> io::Result<Self> {
        // Absolute, for the process starts in the binary's folder.
        let binary = binary.into().canonicalize()?;
        let stem = binary.file_stem().unwrap_or_default().to_string_lossy();
        let output = if settings.keeps_output {
            Some((Output::new()?, Output::new()?))
        } else {
            None
        };
        let host = Self {
            name: settings.name.clone().unwrap_or(stem.into_owned()),
            binary,
            settings,
            output,
            running: Running::default(),
            current: Mutex::default(),
        };
        {
            let mut current = host.current.lock().await;
            let environment = current.environment.insert(host.spawn().await?);
            if environment.ready(INIT_TIMEOUT).await.is_err() {
                current.environment = None;
            }
            current.started = 1;
        }
        Ok(host)
    }

    /// Invokes the function with an event.
    pub async fn invoke(&self, event: &str) -> Invoked {
        if event.len() > LARGEST_PAYLOAD {
            return Invoked::TooLarge;
        }
        let mut current = self.current.lock().await;
        let deadline = Instant::now() + self.settings.timeout;
        let mut environment = match self.ready(&mut current, deadline).await {
            Ok(environment) => environment,
            Err(ended) => return ended,
        };
        let answer = environment.api.deliver(self.event(event, deadline));
        let patience = deadline.saturating_duration_since(Instant::now());
        let ended = environment.within(patience, answer).await;
        match ended {
            Ok(answer) => {
                current.deadline = Some(deadline);
                current.environment = Some(environment);
                answer.unwrap_or_else(|_| Invoked::Error {
                    kind: "Runtime.Unknown".into(),
                    message: "the Runtime API ended".into(),
                })
            }
            Err(stop) => stopped(&stop, &environment),
        }
    }

    /// A process that waits for an event: the one that there is, or a new one.
    async fn ready(
        &self,
        current: &mut Current,
        deadline: Instant,
    ) -> Result<Environment, Invoked> {
        if let Some(mut environment) = current.environment.take() {
            // The one before may still be tidying up after its answer, within its time.
            let until = current.deadline.take().unwrap_or(deadline);
            let patience = until.saturating_duration_since(Instant::now());
            if !environment.has_exited() && environment.ready(patience).await.is_ok() {
                return Ok(environment);
            }
        }
        let spawned = self.spawn().await.map_err(|error| Invoked::Error {
            kind: "Runtime.InvalidEntrypoint".into(),
            message: error.to_string(),
        });
        let mut environment = spawned?;
        current.started += 1;
        let patience = deadline.saturating_duration_since(Instant::now());
        match environment.ready(patience).await {
            Ok(()) => Ok(environment),
            Err(stop) => Err(stopped(&stop, &environment)),
        }
    }

    async fn spawn(&self) -> io::Result<Environment> {
        Environment::start(
            &self.binary,
            &self.name,
            &self.settings,
            self.output.as_ref(),
            &self.running,
        )
        .await
    }

    fn event(&self, payload: &str, deadline: Instant) -> Event {
        let left = deadline.saturating_duration_since(Instant::now());
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_le_bytes());
        Event {
            request_id: id.into_uuid().to_string(),
            deadline: u64::try_from((now + left).as_millis()).unwrap_or_default(),
            function_arn: format!(
                "arn:aws:lambda:{REGION}:123456789012:function:{}",
                self.name
            ),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
        }
    }

    /// The lines that all its processes have printed on their standard output, and that were not taken before. What a
    /// process prints before it answers is there when the invocation has ended.
    ///
    /// # Errors
    /// The file that holds them cannot be read.
    pub fn take_stdout(&self) -> io::Result<Vec<String>> {
        let taken = self.output.as_ref().map(|(stdout, _)| stdout.take_lines());
        taken.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// The same of their standard error.
    ///
    /// # Errors
    /// As [`take_stdout`](Self::take_stdout).
    pub fn take_stderr(&self) -> io::Result<Vec<String>> {
        let taken = self.output.as_ref().map(|(_, stderr)| stderr.take_lines());
        taken.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Ends the process that is there in the middle of whatever it does, as a crash would, from anywhere and without
    /// waiting for an invocation: a function to call.
    pub fn killer(&self) -> impl Fn() + Send + Sync + 'static {
        let running = self.running.clone();
        move || running.kill()
    }

    /// The id of the process that is there, if one is.
    pub async fn process(&self) -> Option<u32> {
        let current = self.current.lock().await;
        current.environment.as_ref().map(Environment::pid)
    }

    /// How many processes were started: one, and one more after each death.
    pub async fn processes(&self) -> usize {
        self.current.lock().await.started
    }

    /// How long the process that is there took from its start to its first request for an event.
    pub async fn init_duration(&self) -> Option<Duration> {
        let current = self.current.lock().await;
        current.environment.as_ref()?.initialised_after
    }

    /// What the process that is there has used. None on other systems than Linux.
    pub async fn usage(&self) -> Option<Usage> {
        Usage::of(self.process().await?)
    }
}

/// For the mappings. Its time is its own settings', which the mapping should know too; a mapping that gives up earlier
/// ends the process.
impl Function for LambdaHost {
    async fn invoke(&self, event: &str, _: &Invocation) -> Result<String, FunctionError> {
        match LambdaHost::invoke(self, event).await {
            Invoked::Answer(answer) => Ok(answer),
            Invoked::Error { kind, message } => {
                Err(FunctionError::Failed(format!("{kind}: {message}")))
            }
            Invoked::TimedOut => Err(FunctionError::TimedOut),
            Invoked::Exited { status } => Err(FunctionError::Exited(status.to_string())),
            Invoked::TooLarge => Err(FunctionError::EventTooLarge(event.len())),
        }
    }
}

fn stopped(stop: &Stop, environment: &Environment) -> Invoked {
    match stop {
        Stop::Exited(status) => Invoked::Exited { status: *status },
        Stop::TimedOut => Invoked::TimedOut,
        Stop::InitFailed => environment.api.init_error().unwrap_or(Invoked::Error {
            kind: "Runtime.InitError".into(),
            message: String::new(),
        }),
    }
}
