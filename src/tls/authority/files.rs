//! The authority's files: read, compared, written.

use std::path::Path;

use rcgen::{Issuer, KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::super::certificate::{self, CertificateSummary};
use super::super::constraints::{Constraints, PermittedNames};
use super::super::error::TlsError;
use super::super::paths::TlsPaths;
use super::super::private_file::{read_key, read_public, write_key, write_public};
use super::super::subject_name::SubjectName;
use super::params::{issuing_params, root_params};

pub(super) fn write_new_authority(
    directory: &Path,
    names: &[SubjectName],
    constraints: Constraints,
) -> Result<(), TlsError> {
    let permitted = match constraints {
        Constraints::ToNames => PermittedNames::Only(names.to_vec()),
        Constraints::Unconstrained => PermittedNames::All,
    };
    let (root_key, issuing_key) = (KeyPair::generate()?, KeyPair::generate()?);
    let root = root_params(&permitted);
    let root_certificate = root.self_signed(&root_key)?;
    let summary = CertificateSummary::read(directory, root_certificate.der())?;
    let issuing = issuing_params(summary.not_after, &permitted);
    let issuing = issuing.signed_by(&issuing_key, &Issuer::from_params(&root, &root_key))?;
    let write = |name: &str, key: &KeyPair, pem: String| {
        write_key(&directory.join(format!("{name}.key")), Zeroizing::new(key.serialize_pem()).as_bytes())?;
        write_public(&directory.join(format!("{name}.pem")), pem.as_bytes())
    };
    write("root", &root_key, root_certificate.pem())?;
    write("issuing", &issuing_key, issuing.pem())
}

pub(super) fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    let mut chain = certificate::from_pem(path, &read_public(path)?)?;
    if chain.len() == 1 {
        return Ok(chain.swap_remove(0));
    }
    Err(TlsError::Pem { path: path.to_owned(), what: "certificate", reason: "one certificate belongs here".to_owned() })
}

pub(super) fn read_key_pair(path: &Path) -> Result<KeyPair, TlsError> {
    let refuse = |reason: String| TlsError::Pem { path: path.to_owned(), what: "private key", reason };
    let bytes = read_key(path)?;
    let pem = std::str::from_utf8(&bytes).map_err(|error| refuse(error.to_string()))?;
    KeyPair::from_pem(pem).map_err(|error| refuse(error.to_string()))
}

pub(super) fn check_pair(
    path: &Path,
    der: &CertificateDer<'_>,
    key_path: &Path,
    key: &KeyPair,
) -> Result<(), TlsError> {
    if certificate::parse(path, der)?.public_key().raw == key.subject_public_key_info() {
        return Ok(());
    }
    Err(TlsError::KeyMismatch { certificate: path.to_owned(), key: key_path.to_owned() })
}

pub(super) fn root_key_missing(paths: &TlsPaths, problem: String) -> TlsError {
    TlsError::RootKeyMissing { issuing: paths.issuing_certificate(), root_key: paths.root_key(), problem }
}

pub(super) fn to_pem(der: &CertificateDer<'_>) -> String {
    const LINE: usize = 64;
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for start in (0..text.len()).step_by(LINE) {
        pem.push_str(&text[start..text.len().min(start + LINE)]);
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
