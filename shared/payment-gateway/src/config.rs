//! Where the provider is and how long to wait for it.

use std::time::Duration;

use reqwest::Url;

const BASE_URL: &str = "PAYMENT_BASE_URL";
const TIMEOUT_MS: &str = "PAYMENT_TIMEOUT_MS";

/// Where the provider is and how long to wait for it. Its key comes from elsewhere: it is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The provider's address without a path, such as `https://api.stripe.com`.
    pub base_url: Url,
    /// How long one call may take, from connecting to the last byte of the answer.
    pub timeout: Duration,
}

/// A variable that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not set.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// It is set to something else than what is wanted.
    #[error("the environment variable {name} must be {wanted}")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
}

impl Config {
    /// Reads `PAYMENT_BASE_URL` and `PAYMENT_TIMEOUT_MS` (milliseconds).
    ///
    /// # Errors
    /// [`ConfigError`] names the variable that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = |name| lookup(name).ok_or(ConfigError::Missing(name));
        let base_url = Url::parse(&text(BASE_URL)?).map_err(|_| ConfigError::Wrong {
            name: BASE_URL,
            wanted: "a URL such as https://api.stripe.com",
        })?;
        let timeout = text(TIMEOUT_MS)?
            .parse()
            .ok()
            .filter(|milliseconds| *milliseconds > 0)
            .map(Duration::from_millis)
            .ok_or(ConfigError::Wrong {
                name: TIMEOUT_MS,
                wanted: "a number of milliseconds above 0",
            })?;
        Ok(Self { base_url, timeout })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn read(base_url: Option<&str>, timeout: Option<&str>) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            let value = if name == BASE_URL { base_url } else { timeout };
            value.map(str::to_owned)
        })
    }

    #[test]
    fn both_variables_are_read() {
        let config = read(Some("https://api.stripe.com"), Some("2500")).unwrap();
        assert_eq!(config.base_url.as_str(), "https://api.stripe.com/");
        assert_eq!(config.timeout, Duration::from_millis(2500));
    }

    #[test]
    fn an_error_names_the_variable() {
        let url = Some("https://api.stripe.com");
        for (base_url, timeout, name) in [
            (None, Some("1"), BASE_URL),
            (Some("api"), Some("1"), BASE_URL),
            (url, None, TIMEOUT_MS),
            (url, Some("0"), TIMEOUT_MS),
            (url, Some("2s"), TIMEOUT_MS),
        ] {
            assert!(
                read(base_url, timeout)
                    .unwrap_err()
                    .to_string()
                    .contains(name)
            );
        }
    }
}
