//! One certificate, read: its names, its time, its fingerprint.

pub(crate) mod chain;
pub(crate) mod inspect;
pub(crate) mod name_constraints;
pub(crate) mod pem;
pub(crate) mod permitted_names;
pub(crate) mod private_key;
pub(crate) mod subject_name;

use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::certificate::pem::PemText;
use super::error::PkiError;
use crate::domain::net::fingerprint::Fingerprint;

/// What people want to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    /// The subject's distinguished name.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// Host names and addresses, in the certificate's order; wildcards as they are written.
    pub names: Vec<String>,
    /// The addresses among `names` that are written as such.
    pub addresses: Vec<IpAddr>,
    /// The addresses among `names` that are written as DNS names, which no client accepts for an address.
    pub misplaced: Vec<IpAddr>,
    /// The beginning of its validity.
    pub not_before: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// The SHA-256 of its DER form.
    pub fingerprint: Fingerprint,
}

impl CertificateSummary {
    /// Reads a certificate in DER form that came from elsewhere than a file; `None` where it is not one.
    pub fn of_der(der: &CertificateDer<'_>) -> Option<Self> {
        Self::read(Path::new("DER"), der).ok()
    }

    /// Reads a certificate in DER form; `path` is named in errors.
    pub(crate) fn read(path: &Path, der: &CertificateDer<'_>) -> Result<Self, PkiError> {
        let certificate = parse(path, der)?;
        Ok(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names(&certificate),
            addresses: addresses(&certificate, of_address),
            misplaced: addresses(&certificate, of_dns_name),
            not_before: timestamp(certificate.validity().not_before.timestamp()),
            not_after: timestamp(certificate.validity().not_after.timestamp()),
            fingerprint: Fingerprint::of_der(der),
        })
    }
}

/// Parses DER that must be one certificate and nothing more.
pub(crate) fn parse<'a>(path: &Path, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    let refuse = |reason: String| PkiError::Pem { path: path.to_owned(), what: "certificate", reason };
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| refuse(error.to_string()))?;
    if rest.is_empty() { Ok(certificate) } else { Err(refuse("data follows the certificate".to_owned())) }
}

/// What a PEM file of certificates holds.
pub(crate) struct Bundle {
    /// At least one.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// Whether a private key is in the file too.
    pub(crate) has_key: bool,
}

/// The certificates of a PEM file, at least one.
pub(crate) fn from_pem(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    bundle(path, pem).map(|bundle| bundle.certificates)
}

/// The same, with what else is in the file. A key that goes with them is passed over; anything else does not belong there.
pub(crate) fn bundle(path: &Path, pem: &[u8]) -> Result<Bundle, PkiError> {
    let refuse = |reason: String| PkiError::Pem { path: path.to_owned(), what: "certificate", reason };
    let text = PemText::read(pem).map_err(|fault| refuse(fault.to_string()))?;
    let mut found = Bundle { certificates: Vec::new(), has_key: false };
    for item in text.items {
        if item.is_certificate() {
            found.certificates.push(item.der.to_vec().into());
        } else if item.is_private_key() {
            found.has_key = true;
        } else if !item.is_parameters() {
            return Err(refuse(format!("{} does not belong there{}", item.label, hint(&item.label))));
        }
    }
    if found.certificates.is_empty() {
        return Err(refuse(
            "no BEGIN CERTIFICATE line (a DER file is turned into PEM by: openssl x509 -inform der)".to_owned(),
        ));
    }
    Ok(found)
}

/// How other forms of certificates become this one.
fn hint(label: &str) -> &'static str {
    match label {
        "TRUSTED CERTIFICATE" => "; openssl x509 -in FILE writes it as a plain certificate",
        "PKCS7" | "CMS" => "; openssl pkcs7 -print_certs -in FILE writes the certificates that it holds",
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            "; give the certificate that the CA made from that request"
        }
        "X509 CRL" => "; put revocation lists into a file of their own, which client_certificates.crl names",
        _ => "; leave certificates alone in that file",
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(name).collect()
}

/// The addresses that one kind of name holds.
fn addresses(certificate: &X509Certificate<'_>, of: fn(&GeneralName<'_>) -> Option<IpAddr>) -> Vec<IpAddr> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(of).collect()
}

fn of_address(general: &GeneralName<'_>) -> Option<IpAddr> {
    if let GeneralName::IPAddress(bytes) = general { address(bytes) } else { None }
}

fn of_dns_name(general: &GeneralName<'_>) -> Option<IpAddr> {
    if let GeneralName::DNSName(host) = general { host.trim_matches(['[', ']']).parse().ok() } else { None }
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        GeneralName::IPAddress(_) => of_address(general).map(|ip| ip.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

pub(crate) fn timestamp(seconds: i64) -> Timestamp {
    // X.509 time ends with the year 9999, as does jiff's; what is outside counts as long past.
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN)
}
