//! What a command acts on: the local stack or one on AWS.

use std::fmt;

use anyhow::{Context, Result, ensure};
use aws_config::SdkConfig;

use crate::resources::Resources;
use crate::stack::{self, State};

/// The stack's name, on the laptop and, unless told otherwise, on AWS.
pub const STACK_NAME: &str = "dashpot";

/// A deployed stack and the means to reach it.
#[derive(Clone)]
pub struct Target {
    config: SdkConfig,
    resources: Resources,
    api_url: String,
    topic_arn: String,
    local: Option<Local>,
}

/// What only a local stack has.
#[derive(Debug, Clone)]
struct Local {
    endpoint: String,
    sandbox_url: String,
}

impl Target {
    /// The stack named `stack` on AWS or, without a name, the local one that `dashpot up` started.
    ///
    /// # Errors
    ///
    /// No local stack is running, or AWS does not show a stack of that name to these credentials.
    pub async fn find(stack: Option<&str>) -> Result<Self> {
        match stack {
            Some(name) => Self::on_aws(name).await,
            None => Self::local().await,
        }
    }

    async fn local() -> Result<Self> {
        let state = State::of_running_stack()?
            .context("no local stack is running: start one with `cargo dashpot up`")?;
        Self::at(&state).await
    }

    pub(crate) async fn at(state: &State) -> Result<Self> {
        let config = stack::sdk_config(&state.endpoint);
        let resources =
            Resources::of(&aws_sdk_cloudformation::Client::new(&config), STACK_NAME).await?;
        Ok(Self {
            topic_arn: resources.output("EventsTopicArn")?.to_owned(),
            api_url: state.api_url.clone(),
            config,
            resources,
            local: Some(Local {
                endpoint: state.endpoint.clone(),
                sandbox_url: state.sandbox_url.clone(),
            }),
        })
    }

    async fn on_aws(stack: &str) -> Result<Self> {
        let config = dashpot::aws::config().await;
        ensure!(
            config.region().is_some(),
            "no AWS region is set: set AWS_REGION, or a region in your AWS profile"
        );
        let resources = Resources::of(&aws_sdk_cloudformation::Client::new(&config), stack)
            .await
            .context("AWS did not answer: are the credentials valid (`aws sts get-caller-identity`), and is it this region?")?;
        Ok(Self {
            api_url: resources.output("ApiUrl")?.trim_end_matches('/').to_owned(),
            topic_arn: resources.output("EventsTopicArn")?.to_owned(),
            config,
            resources,
            local: None,
        })
    }

    /// The SDK configuration of whoever operates the stack.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Queues, tables and functions by logical id.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Where orders are taken, without a slash at the end.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// The topic of all events.
    #[must_use]
    pub fn topic_arn(&self) -> &str {
        &self.topic_arn
    }

    /// The local AWS endpoint; `None` on AWS.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.local.as_ref().map(|local| local.endpoint.as_str())
    }

    /// The payment sandbox; `None` on AWS.
    #[must_use]
    pub fn sandbox_url(&self) -> Option<&str> {
        self.local.as_ref().map(|local| local.sandbox_url.as_str())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Target")
            .field("api_url", &self.api_url)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}
