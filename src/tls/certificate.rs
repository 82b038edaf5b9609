//! One certificate, read: its names, its time, its fingerprint.

use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::error::TlsError;
use super::fingerprint::Fingerprint;
use super::pem::pem_fault;

/// What people want to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    /// The subject's distinguished name.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// Host names and addresses, in the certificate's order; wildcards as they are written.
    pub names: Vec<String>,
    /// The beginning of its validity.
    pub not_before: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// The SHA-256 of its DER form.
    pub fingerprint: Fingerprint,
}

impl CertificateSummary {
    /// Reads a certificate in DER form that came from elsewhere than a file; `None` where it is none.
    pub fn of_der(der: &CertificateDer<'_>) -> Option<Self> {
        Self::read(Path::new("DER"), der).ok()
    }

    /// Reads a certificate in DER form; `path` is named in errors.
    pub(super) fn read(path: &Path, der: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let certificate = parse(path, der)?;
        Ok(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names(&certificate),
            not_before: timestamp(certificate.validity().not_before.timestamp()),
            not_after: timestamp(certificate.validity().not_after.timestamp()),
            fingerprint: Fingerprint::of_der(der),
        })
    }
}

/// Parses DER that must be one certificate and nothing more.
pub(super) fn parse<'a>(path: &Path, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, TlsError> {
    let refuse = |reason: String| TlsError::Pem { path: path.to_owned(), what: "certificate", reason };
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| refuse(error.to_string()))?;
    if rest.is_empty() { Ok(certificate) } else { Err(refuse("data follows the certificate".to_owned())) }
}

/// The certificates of a PEM file, at least one.
pub(super) fn from_pem(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refuse = |reason: String| TlsError::Pem { path: path.to_owned(), what: "certificate", reason };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| refuse(pem_fault(&error)))?;
    if chain.is_empty() {
        return Err(refuse(
            "no BEGIN CERTIFICATE line (a DER file is turned into PEM by: openssl x509 -inform der)".to_owned(),
        ));
    }
    Ok(chain)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

pub(super) fn timestamp(seconds: i64) -> Timestamp {
    // X.509 time ends with the year 9999, as does jiff's; what lies outside counts as long past.
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN)
}
