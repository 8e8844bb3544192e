//! The local stack: the real template, the real functions, on an AWS emulator of this machine.
//!
//! `dashpot up`, the demo and the end-to-end tests all start it here. Several run side by side; each ends
//! with its [`Stack`], and with the process that owns it, however that ends.

mod binaries;
mod child;
mod deploy;
mod emulator;
mod processes;
mod provider;
mod python;
mod state;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;

use anyhow::{Context, Result};
use aws_config::SdkConfig;

use self::binaries::Binaries;
use self::emulator::Emulator;
pub use self::emulator::Letter;
pub(crate) use self::emulator::{environment, sdk_config};
use self::provider::Provider;
pub use self::state::{State, Tenure, state_directory};
use crate::aws::Explained;
use crate::progress::Progress;
use crate::target::{STACK_NAME, Target};
use crate::{project, template};

const PAYMENT_KEY_SECRET: &str = "dashpot/payment-key";
const PAYMENT_KEY: &str = "sk_test_dashpot";
const SENDER: &str = "shop@example.com";

/// How a local stack is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The emulator's port; a free one if `None`.
    pub port: Option<u16>,
    /// Whether a person watches.
    pub progress: Progress,
    /// Template parameters that differ from the laptop's.
    pub parameters: BTreeMap<String, String>,
    /// The template to deploy.
    pub template: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: None,
            progress: Progress::Shown,
            parameters: BTreeMap::new(),
            template: project::template(),
        }
    }
}

/// A running local stack. Dropping it stops it.
#[derive(Debug)]
pub struct Stack {
    // In the order in which they go: the functions before the provider that they call.
    emulator: Emulator,
    provider: Provider,
    state: State,
    target: Target,
}

/// Installs and builds what [`Stack::start`] needs, without starting anything.
///
/// # Errors
///
/// Python 3 is missing, the emulator cannot be installed, or the functions do not build.
pub async fn prepare(progress: Progress) -> Result<()> {
    prepared(progress).await.map(drop)
}

async fn prepared(progress: Progress) -> Result<(PathBuf, Binaries)> {
    // Known at once: nobody should wait for the compiler to learn that Python is missing.
    python::check().await?;
    // The one waits for the network, the other for the processor.
    let mut installing = pin!(emulator::install());
    let mut building = pin!(binaries::build(progress));
    tokio::select! {
        python = &mut installing => Ok((python?, building.await?)),
        binaries = &mut building => {
            let binaries = binaries?;
            let step = progress.step("Installing the local AWS emulator into .dashpot/ (once)");
            let python = installing.await?;
            step.done();
            Ok((python, binaries))
        }
    }
}

impl Stack {
    /// Builds the functions, starts the emulator and the payment sandbox, and deploys the template.
    ///
    /// # Errors
    ///
    /// What is missing or failed, with the remedy where there is one: Python, a port, a function that does
    /// not build, a resource that could not be created.
    pub async fn start(options: Options) -> Result<Self> {
        let progress = options.progress;
        let template = template::load(&options.template)?;
        let (python, binaries) = prepared(progress).await?;
        let provider = Provider::start()?;
        let emulator = Emulator::start(&python, options.port, progress).await?;

        let step = progress.step("Deploying the stack");
        let config = sdk_config(emulator.endpoint());
        store_payment_key(&config).await?;
        emulator.verify_sender(SENDER).await?;
        let mut parameters = parameters(provider.url());
        parameters.extend(options.parameters);
        let cloudformation = aws_sdk_cloudformation::Client::new(&config);
        deploy::deploy(
            &emulator,
            &cloudformation,
            STACK_NAME,
            template,
            &binaries,
            &parameters,
            &step,
        )
        .await?;

        let resources = crate::resources::Resources::of(&cloudformation, STACK_NAME).await?;
        let state = State {
            endpoint: emulator.endpoint().to_owned(),
            api_url: emulator.api_url(resources.output("ApiUrl")?)?,
            sandbox_url: provider.url().to_owned(),
        };
        let target = Target::at(&state).await?;
        step.done();
        Ok(Self {
            emulator,
            provider,
            state,
            target,
        })
    }

    /// The AWS endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.emulator.endpoint()
    }

    /// What a process needs in its environment to take the emulator for AWS.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        emulator::environment(self.endpoint()).collect()
    }

    /// Where orders are taken, without a slash at the end.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.state.api_url
    }

    /// The payment sandbox, without a slash at the end.
    #[must_use]
    pub fn sandbox_url(&self) -> &str {
        self.provider.url()
    }

    /// Queues, tables and functions, and the means to reach them.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The addresses, as `dashpot up` announces them.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The letters that the mail service took, oldest first.
    ///
    /// # Errors
    ///
    /// The emulator does not answer.
    pub async fn letters(&self) -> Result<Vec<Letter>> {
        self.emulator.letters().await
    }

    /// Ends the processes of a function in the middle of whatever they do, as a crash would, and says how
    /// many there were. The emulator starts new ones.
    ///
    /// # Errors
    ///
    /// The template has no such function, or the system does not show its processes.
    pub fn kill_function(&self, service: &str) -> Result<usize> {
        let functions = self.target.resources().functions();
        let function = functions
            .get(service)
            .with_context(|| format!("the stack has no function `{service}`"))?;
        self.emulator.kill_function(function)
    }

    /// Whether the emulator still runs.
    pub fn is_running(&mut self) -> bool {
        self.emulator.is_running()
    }

    /// Stops everything that was started, as dropping does.
    pub fn stop(self) {}
}

/// The laptop's parameters: short times, so that a person sees recovery happen.
fn parameters(payment_base_url: &str) -> BTreeMap<String, String> {
    let architecture = if std::env::consts::ARCH == "aarch64" {
        "arm64"
    } else {
        "x86_64"
    };
    [
        ("Stage", "laptop"),
        ("Architecture", architecture),
        ("PaymentBaseUrl", payment_base_url),
        ("PaymentKeySecret", PAYMENT_KEY_SECRET),
        ("SenderAddress", SENDER),
        ("RetryBaseSeconds", "1"),
        ("RetryCapSeconds", "4"),
        ("ParkAfterSeconds", "90"),
        ("NotYetSeconds", "20"),
        ("HoldBoundSeconds", "60"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The sandbox takes any key of the test kind; on AWS an operator stores the real one.
async fn store_payment_key(config: &SdkConfig) -> Result<()> {
    aws_sdk_secretsmanager::Client::new(config)
        .create_secret()
        .name(PAYMENT_KEY_SECRET)
        .secret_string(PAYMENT_KEY)
        .send()
        .await
        .explained()
        .context("cannot store the payment provider's key")?;
    Ok(())
}
