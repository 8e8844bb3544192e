use std::path::Path;
use std::time::Duration;

/// How a function is configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name; the binary's by default.
    pub name: Option<String>,
    /// Its environment variables. As in a template, with one more freedom: the names that Lambda reserves (region, keys)
    /// may be set too, for they decide which endpoint a function speaks to.
    pub env: Vec<(String, String)>,
    /// How long one invocation may take; 3 s by default, as on Lambda. Then its process is killed.
    pub timeout: Duration,
    /// How much memory its process may have resident, in MiB; 128 by default, as on Lambda. A process that has more is
    /// killed. Enforced on Linux only.
    pub memory: u32,
    /// Whether its process is stopped between invocations, as Lambda freezes it; true by default. A task that goes on
    /// after the answer gets no further here than there.
    pub freezes: bool,
    /// Whether what it prints is kept for [`LambdaHost::take_stdout`](crate::LambdaHost::take_stdout); true by default.
    pub keeps_output: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: None,
            env: Vec::new(),
            timeout: Duration::from_secs(3),
            memory: 128,
            freezes: true,
            keeps_output: true,
        }
    }
}

impl Settings {
    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// With another timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// With so much memory, in MiB.
    #[must_use]
    pub fn memory(mut self, mebibytes: u32) -> Self {
        self.memory = mebibytes;
        self
    }

    /// Everything that a process finds in its environment, and nothing of the host's own, in the order in which it is
    /// set: the [variables that Lambda defines] for an OS-only runtime, and the function's.
    ///
    /// [variables that Lambda defines]: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    pub(super) fn environment(
        &self,
        name: &str,
        folder: &Path,
        runtime_api: &str,
    ) -> Vec<(String, String)> {
        let memory = self.memory.to_string();
        let log_group = format!("/aws/lambda/{name}");
        let folder = folder.to_string_lossy();
        let lambda = [
            ("AWS_ACCESS_KEY_ID", "ASIATESTTESTTESTTEST"),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_VERSION", VERSION),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0"),
            ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ("AWS_REGION", REGION),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_SESSION_TOKEN", "testing"),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("LAMBDA_TASK_ROOT", &folder),
            ("LANG", "en_US.UTF-8"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
            ("TZ", ":UTC"),
            ("_HANDLER", name),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let given = |name: &str| self.env.iter().any(|(given, _)| given == name);
        // Keys of the function's own replace all of ours: a token goes with its key.
        let is_key = |name: &str| {
            matches!(
                name,
                "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN"
            )
        };
        let mut variables: Vec<_> = lambda
            .into_iter()
            .filter(|(name, _)| !(is_key(name) && given("AWS_ACCESS_KEY_ID")))
            .map(owned)
            .collect();
        variables.extend(self.env.iter().cloned());
        variables
    }
}

pub(super) const REGION: &str = "eu-central-1";
pub(super) const VERSION: &str = "$LATEST";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_functions_own_variables_come_after_lambdas_and_so_win() {
        let settings = Settings::default().env("AWS_REGION", "us-east-1");
        let variables = settings.environment("billing", Path::new("/task"), "127.0.0.1:1");
        let region = variables.iter().rfind(|(name, _)| name == "AWS_REGION");
        assert_eq!(region.map(|(_, value)| value.as_str()), Some("us-east-1"));
    }
}
