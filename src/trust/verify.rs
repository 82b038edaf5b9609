//! From a pin to a CA that is known to be the registry's: two connections, the first believed in nothing but the pinned hash.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use rustls::{ClientConfig, RootCertStore};

use super::authority_file::{self, CaSource};
use super::client::{self, Failed};
use super::error::TrustError;
use super::pinned_authority::PinnedAuthority;
use super::registry_address::RegistryAddress;
use super::root_file::RootFile;
use super::root_transition as succession;
use crate::domain::net::Fingerprint;

const PING: &str = "/v2/";

/// Fetches the CA, checks it, and finds a registry behind it, each within `limit`. Whatever the host trusts already counts for
/// nothing: a CA that is neither the pinned one nor the one that the pinned one hands over to is refused.
pub async fn verify(
    registry: &RegistryAddress,
    pin: Fingerprint,
    limit: Duration,
) -> Result<PinnedAuthority, TrustError> {
    let slow = |_| TrustError::Slow { address: registry.address().to_owned(), seconds: limit.as_secs() };
    let der =
        tokio::time::timeout(limit, authority_file::fetch(registry, CaSource::Unverified)).await.map_err(slow)??;
    let successor = if Fingerprint::of_der(&der) == pin {
        None
    } else {
        tokio::time::timeout(limit, succession::follow(registry, pin)).await.map_err(slow)??
    };
    let authority = match successor {
        Some(successor) => successor,
        None => PinnedAuthority::check(der, registry, pin, &authority_file::url(registry))?,
    };
    tokio::time::timeout(limit, find_registry(registry, &authority)).await.map_err(slow)??;
    Ok(authority)
}

/// The same for a CA from a file: nothing is fetched, and a registry must be found behind it. A pin must agree.
pub async fn verify_file(
    registry: &RegistryAddress,
    file: &RootFile,
    pin: Option<Fingerprint>,
    limit: Duration,
) -> Result<PinnedAuthority, TrustError> {
    let slow = |_| TrustError::Slow { address: registry.address().to_owned(), seconds: limit.as_secs() };
    let pin = pin.unwrap_or_else(|| file.fingerprint());
    let authority = PinnedAuthority::check(file.der.clone(), registry, pin, &file.name)?;
    tokio::time::timeout(limit, find_registry(registry, &authority)).await.map_err(slow)??;
    Ok(authority)
}

/// Connects with the CA as the only root and full checks of the host name, and looks for a registry.
async fn find_registry(registry: &RegistryAddress, authority: &PinnedAuthority) -> Result<(), TrustError> {
    let (url, address) = (format!("https://{}{PING}", registry.written()), registry.address().to_owned());
    let config = strict_client(authority)
        .map_err(|cause| TrustError::UnusableRoot { url: authority_file::url(registry), cause })?;
    let response = client::get(registry, config, PING).await.map_err(|failed| match failed {
        Failed::Name => TrustError::BadName { host: registry.host().to_owned() },
        Failed::Connect(cause) => TrustError::Unreachable { address, cause },
        Failed::Tls(cause) => TrustError::NotVerified { address, cause },
        Failed::Http(error) => TrustError::BadAnswer { url: url.clone(), reason: error.to_string() },
    })?;
    let version = response.headers().get("docker-distribution-api-version");
    let has_header = version.is_some_and(|version| version.as_bytes().starts_with(b"registry/2"));
    match response.status() {
        StatusCode::OK | StatusCode::UNAUTHORIZED if has_header => Ok(()),
        status => Err(TrustError::NoRegistry { url, status: status.as_u16(), has_header }),
    }
}

/// A client that trusts this CA and nothing else.
pub(super) fn strict_client(authority: &PinnedAuthority) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    client::trusting(roots)
}
