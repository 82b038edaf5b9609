//! A TLS client that talks to one server: the one that presents the very certificate at hand. For asking our own server how it
//! is, whatever authority its certificate comes from.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;

use super::danger::{self, Accept};
use crate::pki::{Identity, TlsError};

/// The connector, and the name to ask for.
pub fn pinned_client(identity: &Identity) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
    let asked = identity.summary().names.first().filter(|name| name.parse::<IpAddr>().is_err());
    let shown = identity.shown_for(asked.map(String::as_str), Timestamp::now());
    let certificate = shown.cert.first().cloned().map(CertificateDer::into_owned);
    let certificate = certificate.ok_or(rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let config = danger::client(Accept::Only(certificate))?;
    let name = identity.summary().names.first().and_then(|name| ServerName::try_from(name.clone()).ok());
    let name = name.unwrap_or_else(|| ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST)));
    Ok((TlsConnector::from(Arc::new(config)), name))
}
