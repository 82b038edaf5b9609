//! The issuing certificate with its key: what signs the server's certificate.

use jiff::Timestamp;
use rcgen::{Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::files::{check_pair, read_certificate, read_key_pair};
use super::params::issuing_params;
use crate::pki::certificate::chain;
use crate::pki::certificate::permitted_names::PermittedNames;
use crate::pki::certificate::{self, CertificateSummary};
use crate::pki::error::PkiError;
use crate::pki::files::paths::PkiPaths;
use crate::pki::files::private_file::{DirectoryLock, lock_directory, write_key, write_public};

/// A CA certificate with its key.
pub(super) struct Signer {
    pub(super) der: CertificateDer<'static>,
    pub(super) summary: CertificateSummary,
    pub(super) key: KeyPair,
}

pub(super) fn load_issuing(paths: &PkiPaths, root: &CertificateDer<'_>) -> Result<Signer, PkiError> {
    let (path, key_path) = (paths.issuing_certificate(), paths.issuing_key());
    let der = read_certificate(&path)?;
    let key = read_key_pair(&key_path)?;
    check_pair(&path, &der, &key_path, &key)?;
    let summary = CertificateSummary::read(&path, &der)?;
    let root_path = paths.root_certificate();
    let parsed_root = certificate::parse(&root_path, root)?;
    if !chain::is_signed_by(&certificate::parse(&path, &der)?, &parsed_root) {
        let next = parsed_root.subject().to_string();
        return Err(PkiError::ChainBroken { path, position: 1, subject: summary.subject, next });
    }
    Ok(Signer { der, summary, key })
}

/// Replaces the issuing certificate by a new one. Takes the lock of the data directory unless it is `held`; refuses
/// where another root has taken this one's place meanwhile.
pub(super) fn new_issuing(
    paths: &PkiPaths,
    root: &CertificateDer<'_>,
    root_key: &KeyPair,
    held: Option<&DirectoryLock>,
    now: Timestamp,
) -> Result<Signer, PkiError> {
    let _lock = if held.is_some() { None } else { Some(lock_directory(paths.data_dir())?) };
    let root_path = paths.root_certificate();
    if read_certificate(&root_path)? != *root {
        return Err(PkiError::AuthorityReplaced { path: paths.authority_dir() });
    }
    let permitted = PermittedNames::from_certificate(&certificate::parse(&root_path, root)?);
    let root_ends = CertificateSummary::read(&root_path, root)?.not_after;
    let key = KeyPair::generate()?;
    let issuer = Issuer::from_ca_cert_der(root, root_key)?;
    let certificate = issuing_params(root_ends, &permitted, now).signed_by(&key, &issuer)?;
    write_key(&paths.issuing_key(), Zeroizing::new(key.serialize_pem()).as_bytes())?;
    let path = paths.issuing_certificate();
    write_public(&path, certificate.pem().as_bytes())?;
    let summary = CertificateSummary::read(&path, certificate.der())?;
    Ok(Signer { der: certificate.der().clone(), summary, key })
}
