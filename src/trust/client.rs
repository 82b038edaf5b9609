//! How a registry is asked before it is trusted: the limits, and what each failure means to the operator.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use super::error::TrustError;
use super::registry_address::RegistryAddress;
use crate::client::{Client, ClientError, Limits, Response, TrustMode};

/// The most that is read of a file of the registry, in bytes.
const FILE_LIMIT: usize = 16 * 1024;
/// The longest that a registry may be silent within the limit of a request.
const IDLE: Duration = Duration::from_secs(10);

/// The limits of one request, which may take `limit` altogether.
pub(crate) fn limits(limit: Duration) -> Limits {
    Limits { total: limit, idle: limit.min(IDLE), size: FILE_LIMIT }
}

/// Asks one registry, without credentials.
pub(super) struct RegistryClient<'r> {
    registry: &'r RegistryAddress,
    client: Client,
    verified: bool,
}

impl<'r> RegistryClient<'r> {
    /// Believes no one: what comes must be verified by its hash.
    pub(super) fn unverified(registry: &'r RegistryAddress, limit: Duration) -> Result<Self, TrustError> {
        Self::new(registry, TrustMode::Unverified, limit)
    }

    /// Believes what this root vouches for and nothing else, with full checks of the host name.
    pub(super) fn trusting(
        registry: &'r RegistryAddress,
        root: &CertificateDer<'static>,
        limit: Duration,
    ) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).map_err(|cause| TrustError::UnusableRoot { url: url(registry, ""), cause })?;
        Self::new(registry, TrustMode::Roots(roots), limit)
    }

    fn new(registry: &'r RegistryAddress, trust: TrustMode, limit: Duration) -> Result<Self, TrustError> {
        let verified = matches!(trust, TrustMode::Roots(_));
        let client = Client::new(trust, limits(limit));
        let client = client.map_err(|cause| TrustError::UnusableRoot { url: url(registry, ""), cause })?;
        Ok(Self { registry, client, verified })
    }

    /// `GET path`; the body of the answer has not been read.
    pub(super) async fn get(&self, path: &str) -> Result<Response, TrustError> {
        self.client.get(&url(self.registry, path)).await.map_err(|error| self.failed(error, path))
    }

    /// A file of at most 16 KiB.
    pub(super) async fn file(&self, path: &str) -> Result<Bytes, TrustError> {
        let (response, url) = (self.get(path).await?, url(self.registry, path));
        let status = response.status();
        if status.is_redirection() {
            return Err(TrustError::Redirected { url, location: location(response.headers()) });
        }
        if status != StatusCode::OK {
            return Err(TrustError::NoAuthorityFile { url, status: status.as_u16() });
        }
        response.bytes().await.map_err(|error| self.failed(error, path))
    }

    fn failed(&self, error: ClientError, path: &str) -> TrustError {
        let (address, url) = (self.registry.address().to_owned(), url(self.registry, path));
        match error {
            ClientError::NotHttps(_) | ClientError::InvalidName(_) => {
                TrustError::BadName { host: self.registry.host().to_owned() }
            }
            ClientError::Connect { cause, .. } => TrustError::Unreachable { address, cause },
            ClientError::Tls(cause) if self.verified => TrustError::NotVerified { address, cause },
            ClientError::Tls(cause) => TrustError::NoTls { address, cause },
            ClientError::Timeout { limit } | ClientError::Idle { limit } => {
                TrustError::Slow { address, seconds: limit.as_secs() }
            }
            ClientError::TooLarge { limit } => TrustError::TooLarge { url, limit },
            ClientError::Truncated(reason) | ClientError::NotHttp(reason) => TrustError::BadAnswer { url, reason },
        }
    }
}

/// The address of a path of the registry.
pub(super) fn url(registry: &RegistryAddress, path: &str) -> String {
    format!("https://{}{path}", registry.written())
}

/// Quoted and cut: it comes from an unverified server and goes to a terminal.
fn location(headers: &HeaderMap) -> String {
    let location = headers.get(header::LOCATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let location: String = String::from_utf8_lossy(location).chars().take(200).collect();
    format!("{location:?}")
}
