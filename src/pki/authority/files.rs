//! The authority's files: read, compared, written.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rcgen::{CertificateParams, Issuer, KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::params::{issuing_params, root_params};
use crate::domain::build_time::build_time;
use crate::pki::certificate::permitted_names::{Constraints, PermittedNames};
use crate::pki::certificate::private_key::private_key;
use crate::pki::certificate::subject_name::SubjectName;
use crate::pki::certificate::{self, CertificateSummary};
use crate::pki::error::PkiError;
use crate::pki::files::atomic_file::is_temporary;
use crate::pki::files::paths::PkiPaths;
use crate::pki::files::private_file::{
    destroy_directory, destroy_key, read_kept_key, read_public, write_key, write_public,
};

/// A root that was just made.
pub(super) struct NewRoot {
    pub(super) key: KeyPair,
    pub(super) params: CertificateParams,
}

/// Refuses to make a root at a time that cannot be: every host would have to trust another one once the clock is right.
pub(crate) fn check_clock(now: Timestamp) -> Result<(), PkiError> {
    let built = build_time();
    if now < built { Err(PkiError::ClockBehind { now, built }) } else { Ok(()) }
}

/// What to do about a root that is not valid at `now`; `None` where it is, or cannot be read. Where the clock itself cannot be right,
/// as on a machine without one that has just been switched on, the root is not to blame.
pub(crate) fn root_out_of_time(paths: &PkiPaths, now: Timestamp) -> Option<PkiError> {
    let path = paths.root_certificate();
    let CertificateSummary { not_before, not_after, .. } =
        CertificateSummary::read(&path, &read_certificate(&path).ok()?).ok()?;
    if now > not_after {
        Some(PkiError::RootExpired { path, not_after })
    } else if now < not_before && now >= build_time() {
        Some(PkiError::RootNotYetValid { path, not_before })
    } else {
        None
    }
}

/// Makes a root and an issuing certificate in a directory that is there.
pub(super) fn write_new_authority(
    paths: &PkiPaths,
    names: &[SubjectName],
    constraints: Constraints,
    now: Timestamp,
) -> Result<NewRoot, PkiError> {
    let permitted = match constraints {
        Constraints::ToNames => PermittedNames::Only(names.to_vec()),
        Constraints::Unconstrained => PermittedNames::All,
    };
    let (key, issuing_key) = (KeyPair::generate()?, KeyPair::generate()?);
    let params = root_params(&permitted, now);
    let root = params.self_signed(&key)?;
    let summary = CertificateSummary::read(&paths.root_certificate(), root.der())?;
    let issuing = issuing_params(summary.not_after, &permitted, now);
    let issuing = issuing.signed_by(&issuing_key, &Issuer::from_params(&params, &key))?;
    write_key(&paths.root_key(), Zeroizing::new(key.serialize_pem()).as_bytes())?;
    write_public(&paths.root_certificate(), root.pem().as_bytes())?;
    write_key(&paths.issuing_key(), Zeroizing::new(issuing_key.serialize_pem()).as_bytes())?;
    write_public(&paths.issuing_certificate(), issuing.pem().as_bytes())?;
    Ok(NewRoot { key, params })
}

/// Destroys what interrupted commands have left: authorities that are not in force, keys that were not written to their end. The
/// data directory must be locked.
pub(crate) fn sweep(paths: &PkiPaths) -> Result<(), PkiError> {
    for path in entries(paths.data_dir())? {
        if is_named(&path, |name| is_temporary(name, "ca")) && is_directory(&path) {
            destroy_directory(&path)?;
        }
    }
    for path in entries(&paths.authority_dir())? {
        if is_named(&path, |name| {
            ["root.key", "root.key.sealed", "issuing.key"].iter().any(|key| is_temporary(name, key))
        }) {
            destroy_key(&path)?;
        }
    }
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, PkiError> {
    let entries = directory.read_dir().map_err(PkiError::io("list", directory))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(PkiError::io("list", directory))).collect()
}

/// A link to a directory does not count: nothing is swept through it.
fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

fn is_named(path: &Path, question: impl Fn(&str) -> bool) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(question)
}

/// The names that rotations have added; none if there is no file.
pub(super) fn read_added_names(path: &Path) -> Result<Vec<SubjectName>, PkiError> {
    match read_public(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).split_whitespace().map(str::parse).collect(),
        Err(error) if error.is_missing() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(super) fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, PkiError> {
    let mut chain = certificate::from_pem(path, &read_public(path)?)?;
    if chain.len() == 1 {
        return Ok(chain.swap_remove(0));
    }
    Err(PkiError::Pem { path: path.to_owned(), what: "certificate", reason: "one certificate belongs here".to_owned() })
}

pub(super) fn read_key_pair(path: &Path) -> Result<KeyPair, PkiError> {
    parse_key_pair(path, &read_kept_key(path)?)
}

/// The key in a PEM text; `path` is named in errors.
pub(super) fn parse_key_pair(path: &Path, pem: &[u8]) -> Result<KeyPair, PkiError> {
    let refuse = |reason: String| PkiError::Pem { path: path.to_owned(), what: "private key", reason };
    let key = private_key(path, pem)?;
    KeyPair::try_from(&key).map_err(|error| refuse(error.to_string()))
}

pub(super) fn check_pair(
    path: &Path,
    der: &CertificateDer<'_>,
    key_path: &Path,
    key: &KeyPair,
) -> Result<(), PkiError> {
    if certificate::parse(path, der)?.public_key().raw == key.subject_public_key_info() {
        return Ok(());
    }
    Err(PkiError::KeyMismatch { certificate: path.to_owned(), key: key_path.to_owned() })
}

pub(super) fn root_key_missing(paths: &PkiPaths, problem: String) -> PkiError {
    PkiError::RootKeyMissing { issuing: paths.issuing_certificate(), root_key: paths.root_key(), problem }
}
