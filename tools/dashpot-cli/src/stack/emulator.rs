//! The one file that knows which AWS emulator stands behind the local stack: ministack.
//!
//! Everything else speaks to AWS's own interfaces at an endpoint URL. What is particular here: how it is
//! installed, started and stopped, its health check, the address of an HTTP API, and three calls for
//! which no SDK is worth its compile time (an upload, a verified sender, the letters that were sent).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::json;

use super::{processes, python};
use crate::progress::Progress;
use crate::{http, project};

const REQUIREMENTS: &str = include_str!("emulator/requirements.txt");
const RUN: &str = include_str!("emulator/run.py");
const REGION: &str = "us-east-1";
/// The emulator takes this pair for the account's root. Functions get sessions of their own roles.
const ACCESS_KEY: &str = "test";
const SECRET_KEY: &str = "test";
const READY_WITHIN: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);
const ATTEMPTS: u32 = 3;

/// A letter that the emulator's mail service took.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Letter {
    /// The sender's address.
    pub source: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub body_text: String,
}

/// A running emulator. Dropping it ends it and every process that it started.
#[derive(Debug)]
pub(super) struct Emulator {
    child: Child,
    endpoint: String,
    scratch: PathBuf,
}

/// Installs the emulator, if that has not been done, and returns its interpreter.
pub(super) async fn install() -> Result<PathBuf> {
    python::environment(project::private(), REQUIREMENTS).await
}

/// The SDK configuration of whoever owns the emulated account. It reads nothing of the environment: the
/// user's own credentials, region and proxy are for AWS.
pub(crate) fn sdk_config(endpoint: &str) -> SdkConfig {
    use aws_config::timeout::TimeoutConfig;
    use aws_sdk_cloudformation::config::{Credentials, SharedCredentialsProvider};

    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "local stack");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_timeout(Duration::from_mins(1))
                .build(),
        )
        .build()
}

/// What a process needs in its environment to take the emulator for AWS.
pub(crate) fn environment(endpoint: &str) -> impl Iterator<Item = (String, String)> {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
}

impl Emulator {
    /// Starts the emulator on `port`, or on a free one, and waits until it answers.
    pub(super) async fn start(
        python: &Path,
        port: Option<u16>,
        progress: Progress,
    ) -> Result<Self> {
        let step = progress.step("Starting the local AWS emulator");
        let mut attempt = 1;
        loop {
            let chosen = free_port(port)?;
            match Self::start_on(python, chosen).await {
                Ok(emulator) => {
                    step.done();
                    return Ok(emulator);
                }
                // Somebody may have taken the free port between its choice and its use.
                Err(_) if port.is_none() && attempt < ATTEMPTS => attempt += 1,
                Err(cause) => return Err(cause),
            }
        }
    }

    async fn start_on(python: &Path, port: u16) -> Result<Self> {
        let scratch = project::private().join("run").join(port.to_string());
        if scratch.exists() {
            fs::remove_dir_all(&scratch).context("cannot remove what an earlier stack left")?;
        }
        fs::create_dir_all(&scratch)
            .with_context(|| format!("cannot create {}", scratch.display()))?;
        let script = scratch.join("emulator.py");
        fs::write(&script, RUN).context("cannot write the emulator's start script")?;
        let log = File::create(scratch.join("emulator.log"))
            .context("cannot create the emulator's log")?;

        let endpoint = format!("http://127.0.0.1:{port}");
        let child = Command::new(python)
            .arg(&script)
            .current_dir(&scratch)
            // The functions inherit this environment: nothing of the user's may reach them.
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("HOME", &scratch)
            .env("TMPDIR", &scratch)
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", REGION)
            .env("AUTH", "true")
            .envs(environment(&endpoint))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // While this pipe is open, we live.
            .stdin(Stdio::piped())
            .stdout(log.try_clone().context("cannot share the emulator's log")?)
            .stderr(log)
            // A group of its own: Ctrl-C is ours to answer, and the group is what we end.
            .process_group(0)
            .spawn()
            .context("cannot start the local emulator")?;
        let mut emulator = Self {
            child,
            endpoint,
            scratch,
        };
        emulator.wait_until_ready().await?;
        Ok(emulator)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let url = format!("{}/_ministack/ready", self.endpoint);
        let client = http::client(&url)?;
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the local emulator ended with {status}:\n{}",
                    self.log_tail()
                );
            }
            if client
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        bail!(
            "the local emulator did not answer within {} s:\n{}",
            READY_WITHIN.as_secs(),
            self.log_tail()
        )
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.scratch.join("emulator.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether the emulator still runs.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Where the HTTP API answers whose endpoint CloudFormation gives: `<id>.execute-api.<domain>`, which a
    /// laptop's resolver does not always know.
    pub(super) fn api_url(&self, endpoint: &str) -> Result<String> {
        let (_, host) = endpoint
            .split_once("://")
            .with_context(|| format!("`{endpoint}` is not a URL"))?;
        let (id, _) = host
            .split_once(".execute-api.")
            .with_context(|| format!("`{endpoint}` is not the URL of an HTTP API"))?;
        Ok(format!("{}/_aws/execute-api/{id}", self.endpoint))
    }

    /// Puts an object into a bucket, which is created with it, and returns its URL.
    pub(super) async fn upload(&self, bucket: &str, key: &str, content: Vec<u8>) -> Result<String> {
        let bucket_url = format!("{}/{bucket}", self.endpoint);
        let client = http::client(&bucket_url)?;
        let created = signed(client.put(&bucket_url), "s3").send().await?;
        // Ours already, from an upload before.
        ensure!(
            created.status().is_success() || created.status() == reqwest::StatusCode::CONFLICT,
            "the emulator made no bucket: {}",
            created.text().await?
        );
        let url = format!("{bucket_url}/{key}");
        let stored = signed(client.put(&url), "s3").body(content).send().await?;
        ensure!(
            stored.status().is_success(),
            "the emulator did not take {key}: {}",
            stored.text().await?
        );
        Ok(url)
    }

    /// Makes the mail service accept letters from `address`.
    pub(super) async fn verify_sender(&self, address: &str) -> Result<()> {
        let url = format!("{}/v2/email/identities", self.endpoint);
        let answer = signed(http::client(&url)?.post(&url), "ses")
            .json(&json!({ "EmailIdentity": address }))
            .send()
            .await?;
        ensure!(
            answer.status().is_success(),
            "the emulator did not verify {address}: {}",
            answer.text().await?
        );
        Ok(())
    }

    /// The letters that were sent, oldest first.
    pub(super) async fn letters(&self) -> Result<Vec<Letter>> {
        #[derive(Deserialize)]
        struct Answer {
            messages: BTreeMap<String, Vec<Letter>>,
        }
        let url = format!("{}/_ministack/ses/messages", self.endpoint);
        let answer: Answer = http::client(&url)?
            .get(&url)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        Ok(answer.messages.into_values().flatten().collect())
    }

    /// Ends the processes of one function.
    pub(super) fn kill_function(&self, name: &str) -> Result<usize> {
        processes::kill_where(&[
            format!("AWS_LAMBDA_FUNCTION_NAME={name}"),
            format!("AWS_ENDPOINT_URL={}", self.endpoint),
        ])
    }

    /// Ends the emulator, the functions' processes and their files.
    pub(super) fn stop(&mut self) {
        // Not waited for yet, so the process id, and with it the group's, cannot be another's.
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return self.remove_scratch();
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // A group that is gone needs no end.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
        self.remove_scratch();
    }

    fn remove_scratch(&self) {
        // What could not be removed is removed when the port is used again.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The header that names the root key; the emulator does not check the signature of that one.
fn signed(request: reqwest::RequestBuilder, service: &str) -> reqwest::RequestBuilder {
    request.header(
        "authorization",
        format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/{service}/aws4_request, \
             SignedHeaders=host, Signature=0"
        ),
    )
}

fn free_port(wanted: Option<u16>) -> Result<u16> {
    let listener =
        TcpListener::bind(("127.0.0.1", wanted.unwrap_or(0))).map_err(|cause| match wanted {
            Some(port) => {
                anyhow!(cause).context(format!("port {port} is taken: choose another with --port"))
            }
            None => anyhow!(cause).context("no free port on 127.0.0.1"),
        })?;
    Ok(listener.local_addr()?.port())
}
