//! The issuing certificate with its key: what signs the server's certificate.

use rcgen::{Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::super::certificate::{self, CertificateSummary};
use super::super::chain;
use super::super::constraints::PermittedNames;
use super::super::error::TlsError;
use super::super::paths::TlsPaths;
use super::super::private_file::{lock_directory, write_key, write_public};
use super::files::{check_pair, read_certificate, read_key_pair};
use super::params::issuing_params;

/// A CA certificate with its key.
pub(super) struct Signer {
    pub(super) der: CertificateDer<'static>,
    pub(super) summary: CertificateSummary,
    pub(super) key: KeyPair,
}

pub(super) fn load_issuing(paths: &TlsPaths, root: &CertificateDer<'_>) -> Result<Signer, TlsError> {
    let (path, key_path) = (paths.issuing_certificate(), paths.issuing_key());
    let der = read_certificate(&path)?;
    let key = read_key_pair(&key_path)?;
    check_pair(&path, &der, &key_path, &key)?;
    let summary = CertificateSummary::read(&path, &der)?;
    let root_path = paths.root_certificate();
    let parsed_root = certificate::parse(&root_path, root)?;
    if !chain::is_signed_by(&certificate::parse(&path, &der)?, &parsed_root) {
        let next = parsed_root.subject().to_string();
        return Err(TlsError::ChainBroken { path, position: 1, subject: summary.subject, next });
    }
    Ok(Signer { der, summary, key })
}

pub(super) fn new_issuing(
    paths: &TlsPaths,
    root: &CertificateDer<'_>,
    root_summary: &CertificateSummary,
    root_key: &KeyPair,
    permitted: &PermittedNames,
) -> Result<Signer, TlsError> {
    let _lock = lock_directory(&paths.authority_dir())?;
    let key = KeyPair::generate()?;
    let issuer = Issuer::from_ca_cert_der(root, root_key)?;
    let certificate = issuing_params(root_summary.not_after, permitted).signed_by(&key, &issuer)?;
    write_key(&paths.issuing_key(), Zeroizing::new(key.serialize_pem()).as_bytes())?;
    let path = paths.issuing_certificate();
    write_public(&path, certificate.pem().as_bytes())?;
    let summary = CertificateSummary::read(&path, certificate.der())?;
    Ok(Signer { der: certificate.der().clone(), summary, key })
}
