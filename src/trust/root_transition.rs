//! From a pinned CA to the one that replaces it.
//!
//! The registry publishes the old CA and a certificate in which that one vouches for the new one's key. It is believed when the
//! server proves itself by the old CA alone, and the certificate is signed by that CA, in date, and for the very key and name of the
//! CA that the registry publishes now.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::authority_file::{self, two_certificates};
use super::client::{self, RegistryClient};
use super::error::TrustError;
use super::pinned_authority::PinnedAuthority;
use super::registry_address::RegistryAddress;
use crate::domain::net::Fingerprint;

/// Where a registry keeps the statement while it lasts: the old CA, then the certificate that it has signed.
const PATH: &str = "/.well-known/portcullis/rotation.pem";

/// The CA that the pinned one has signed a transition to; `None` if the registry serves none.
pub(super) async fn follow(
    registry: &RegistryAddress,
    pin: Fingerprint,
    limit: Duration,
    now: Timestamp,
) -> Result<Option<PinnedAuthority>, TrustError> {
    // Unverified: only what has the pinned hash is trusted.
    let unverified = RegistryClient::unverified(registry, limit)?;
    let Ok(Ok([old, _])) = unverified.file(PATH).await.map(|body| two_certificates(&body)) else {
        return Ok(None);
    };
    if Fingerprint::of_der(&old) != pin {
        return Ok(None);
    }
    let url = client::url(registry, PATH);
    let old = PinnedAuthority::check(old, registry, pin, &url, now)?;
    let client = RegistryClient::trusting(registry, old.der(), limit)?;
    let refuse = |reason: String| TrustError::FalseStatement { url: url.clone(), reason };
    let body = client.file(PATH).await?;
    let [again, statement] = two_certificates(&body).map_err(refuse)?;
    if again != *old.der() {
        return Err(refuse("it is another's when it is asked for again".to_owned()));
    }
    let new = authority_file::fetch(registry, &client).await?;
    check(&statement, old.der(), &new, now).map_err(|reason| refuse(reason.to_owned()))?;
    // The certificate is a CA itself, and must be as fit as one.
    let fit = |der: &CertificateDer<'static>, url: &str| {
        PinnedAuthority::check(der.clone(), registry, Fingerprint::of_der(der), url, now)
    };
    fit(&statement, &url)?;
    Ok(Some(fit(&new, &authority_file::url(registry))?.succeeding(&old)))
}

/// That `old` has signed the statement, for the key and the name of `new`, and that it holds today.
fn check(statement: &[u8], old: &[u8], new: &[u8], now: Timestamp) -> Result<(), &'static str> {
    let parse = |der| x509_parser::parse_x509_certificate(der).map(|(_, certificate)| certificate);
    let (Ok(statement), Ok(old), Ok(new)) = (parse(statement), parse(old), parse(new)) else {
        return Err("it is not an X.509 certificate");
    };
    if statement.issuer().as_raw() != old.subject().as_raw()
        || statement.verify_signature(Some(old.public_key())).is_err()
    {
        return Err("it is not signed by the pinned CA");
    }
    if statement.public_key().raw != new.public_key().raw || statement.subject().as_raw() != new.subject().as_raw() {
        return Err("it is for another CA than the one that is published");
    }
    let (validity, now) = (statement.validity(), now.as_second());
    if now < validity.not_before.timestamp() || now >= validity.not_after.timestamp() {
        return Err("its time is over, or has not come");
    }
    if new.verify_signature(None).is_err() {
        return Err("the published CA is not signed by its own key");
    }
    Ok(())
}
