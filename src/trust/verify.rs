//! From a pin to a CA that is known to be the registry's: two connections, the first believed in nothing but the pinned hash.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;

use super::authority_file;
use super::client::{self, RegistryClient};
use super::error::TrustError;
use super::pinned_authority::PinnedAuthority;
use super::registry_address::RegistryAddress;
use super::root_file::RootFile;
use super::root_transition;
use crate::domain::net::Fingerprint;

const PING: &str = "/v2/";

/// Fetches the CA, checks it, and finds a registry behind it, each request within `limit`. Whatever the host trusts already counts for
/// nothing: a CA that is neither the pinned one nor the one that the pinned one has signed a transition to is refused.
pub async fn verify(
    registry: &RegistryAddress,
    pin: Fingerprint,
    limit: Duration,
    now: Timestamp,
) -> Result<PinnedAuthority, TrustError> {
    let der = authority_file::fetch_unverified(registry, limit).await?;
    let successor = if Fingerprint::of_der(&der) == pin {
        None
    } else {
        root_transition::follow(registry, pin, limit, now).await?
    };
    let authority = match successor {
        Some(successor) => successor,
        None => PinnedAuthority::check(der, registry, pin, &authority_file::url(registry), now)?,
    };
    find_registry(registry, &authority, limit).await?;
    Ok(authority)
}

/// The same for a CA from a file: nothing is fetched, and a registry must be found behind it. A pin must agree.
pub async fn verify_file(
    registry: &RegistryAddress,
    file: &RootFile,
    pin: Option<Fingerprint>,
    limit: Duration,
    now: Timestamp,
) -> Result<PinnedAuthority, TrustError> {
    let pin = pin.unwrap_or_else(|| file.fingerprint());
    let authority = PinnedAuthority::check(file.der.clone(), registry, pin, &file.name, now)?;
    find_registry(registry, &authority, limit).await?;
    Ok(authority)
}

/// Connects with the CA as the only root and full checks of the host name, and looks for a registry.
async fn find_registry(
    registry: &RegistryAddress,
    authority: &PinnedAuthority,
    limit: Duration,
) -> Result<(), TrustError> {
    let response = RegistryClient::trusting(registry, authority.der(), limit)?.get(PING).await?;
    let version = response.headers().get("docker-distribution-api-version");
    let has_header = version.is_some_and(|version| version.as_bytes().starts_with(b"registry/2"));
    match response.status() {
        StatusCode::OK | StatusCode::UNAUTHORIZED if has_header => Ok(()),
        status => Err(TrustError::NoRegistry { url: client::url(registry, PING), status: status.as_u16(), has_header }),
    }
}
