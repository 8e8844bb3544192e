//! The HTTPS client, made when it is first needed.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Amazon Trust Services' five roots, as Mozilla's list has them: <https://www.amazontrust.com/repository/>
const AMAZON: &[u8] = include_bytes!("amazon_roots.pem");

/// Whom to trust that a server is the one it says it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Roots {
    /// The certificates that the system trusts, some 150 of them.
    #[default]
    System,
    /// Amazon's own five alone: fewer to read, and nobody else can vouch for an endpoint of AWS. It is not for endpoints
    /// with other certificates: a proxy that looks into the traffic, or an emulator on HTTPS.
    Amazon,
}

impl Roots {
    /// [`Roots::Amazon`] where `TLS_ROOTS` is `amazon`; else [`Roots::System`].
    #[must_use]
    pub fn from_env() -> Self {
        match std::env::var("TLS_ROOTS").as_deref() {
            Ok("amazon") => Self::Amazon,
            _ => Self::System,
        }
    }

    fn context(self) -> TlsContext {
        let trusted = match self {
            Self::System => TrustStore::default(),
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON),
        };
        // Nothing that could fail: the certificates are read when the client is made.
        TlsContext::builder()
            .with_trust_store(trusted)
            .build()
            .unwrap_or_default()
    }
}

pub(super) fn client(roots: Roots) -> SharedHttpClient {
    let https = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(roots.context())
        .build_https();
    SharedHttpClient::new(OnFirstUse(https))
}

/// Every client of an SDK has its HTTP client validated when it is made, and that of `aws-smithy-http-client` makes a
/// connector for it, reads all roots, and throws it away. Here that is left out: the roots are read once in a process,
/// for its first request.
#[derive(Debug)]
struct OnFirstUse(SharedHttpClient);

impl HttpClient for OnFirstUse {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use aws_config::Region;
    use aws_sdk_sqs::Client;
    use aws_sdk_sqs::config::Credentials;

    use super::*;

    /// A request to a port where nobody listens: the roots are read before that is found out.
    #[tokio::test]
    async fn amazons_roots_can_be_read() {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version_latest()
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "here"))
            .endpoint_url("https://127.0.0.1:1")
            .http_client(client(Roots::Amazon))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        let error = Client::from_conf(config)
            .list_queues()
            .send()
            .await
            .unwrap_err();
        assert!(
            crate::chain(&error).contains("dispatch failure"),
            "{error:?}"
        );
    }

    #[test]
    fn there_are_five_of_them() {
        let text = std::str::from_utf8(AMAZON).unwrap();
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 5);
    }
}
