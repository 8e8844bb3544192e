//! The HTTP client for everything that is not an AWS API.

use std::time::Duration;

use anyhow::{Context, Result};

/// A client for `url`'s host. A proxy from the environment is for the world outside: the local stack
/// is reached directly.
///
/// # Errors
///
/// The client cannot be made: the machine's certificates cannot be read.
pub fn client(url: &str) -> Result<reqwest::Client> {
    // It fails when a provider has been installed already, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_mins(1));
    if url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost") {
        builder = builder.no_proxy();
    }
    builder.build().context("cannot make an HTTP client")
}
