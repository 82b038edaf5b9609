//! Our own server certificate: issued where it is missing, unfit, or past two thirds of its life.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::authority::Authority;
use super::certificate;
use super::certificate::subject_name::SubjectName;
use super::error::PkiError;
use super::files::paths::PkiPaths;
use super::files::private_file::{destroy_key, lock_directory, make_directory, read_public, remove_public};
use super::identity::pair::Pair;
use super::identity::previous_root::{CrossSignedChain, names_within};
use super::identity::{Identity, Origin};
use super::lifetime::renewal_due;

/// What [`ensure_leaf`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeafOutcome {
    /// The current certificate is good.
    Kept,
    /// A new one was written.
    Issued,
}

/// Makes sure that `tls/leaf.pem` serves `names`: issues a certificate when there is none, when its names differ, when another
/// authority signed it, or at two thirds of its life. A key that others may read is refused, not replaced.
pub(crate) fn ensure_leaf(
    data_dir: &Path,
    authority: &mut Authority,
    names: &[SubjectName],
) -> Result<LeafOutcome, PkiError> {
    authority.check_permitted(names)?;
    let paths = PkiPaths::new(data_dir);
    make_directory(&paths.serving_dir())?;
    let _lock = lock_directory(&paths.serving_dir())?;
    if is_good(&paths, authority, names)? {
        return Ok(LeafOutcome::Kept);
    }
    issue(&paths, authority, names)?;
    Ok(LeafOutcome::Issued)
}

/// The names of the current certificate, as long as it is not due for renewal and the authority is the one that signed it.
pub(crate) fn served_names(data_dir: &Path, authority: &Authority) -> Vec<SubjectName> {
    let (paths, now) = (PkiPaths::new(data_dir), authority.clock().now());
    let Ok(identity) = Identity::load(&paths.leaf_chain(), &paths.leaf_key(), Origin::ManagedCa, now) else {
        return Vec::new();
    };
    let summary = identity.summary();
    if renewal_due(summary.not_before, summary.not_after, now) || !authority.vouches_for(&identity) {
        return Vec::new();
    }
    let names = summary.names.iter().filter_map(|name| name.parse().ok());
    names.filter(|name| authority.permits(name)).collect()
}

/// Whether [`ensure_leaf`] would keep what is there.
pub(crate) fn has_good_leaf(data_dir: &Path, authority: &Authority, names: &[SubjectName]) -> Result<bool, PkiError> {
    authority.check_permitted(names)?;
    is_good(&PkiPaths::new(data_dir), authority, names)
}

/// Writes a new certificate whatever the state of the old one.
pub(crate) fn renew_leaf(data_dir: &Path, authority: &mut Authority, names: &[SubjectName]) -> Result<(), PkiError> {
    let paths = PkiPaths::new(data_dir);
    make_directory(&paths.serving_dir())?;
    let _lock = lock_directory(&paths.serving_dir())?;
    issue(&paths, authority, names)
}

fn issue(paths: &PkiPaths, authority: &mut Authority, names: &[SubjectName]) -> Result<(), PkiError> {
    let leaf = authority.issue_leaf(names)?;
    let now = authority.clock().now();
    let rotation = authority.rotation(now).cloned();
    if let Some(within) = rotation.and_then(|rotation| names_within(names, &rotation)) {
        let cross_signed = authority.issue_leaf(&within)?;
        let pair = Pair::at(paths.cross_signed_chain(), paths.cross_signed_key());
        pair.write(cross_signed.chain_pem.as_bytes(), cross_signed.key_pem.as_bytes(), now)?;
    } else if paths.cross_signed_key().exists() {
        // Of an overlap that is over.
        destroy_key(&paths.cross_signed_key())?;
        remove_public(&paths.cross_signed_chain())?;
    }
    Pair::at(paths.leaf_chain(), paths.leaf_key()).write(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes(), now)
}

fn is_good(paths: &PkiPaths, authority: &Authority, names: &[SubjectName]) -> Result<bool, PkiError> {
    let now = authority.clock().now();
    let identity = match Identity::load(&paths.leaf_chain(), &paths.leaf_key(), Origin::ManagedCa, now) {
        Ok(identity) => identity,
        Err(error) if error.is_fixed_by_reissue() => {
            if !error.is_missing() {
                tracing::warn!(%error, "the registry's own certificate is unusable; issuing a new one");
            }
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let summary = identity.summary();
    let wanted: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
    let present: BTreeSet<String> = summary.names.iter().cloned().collect();
    Ok(wanted == present
        && !renewal_due(summary.not_before, summary.not_after, now)
        && is_from(authority, &paths.leaf_chain())?
        && has_good_cross_signed_chain(paths, authority, &identity, now)?)
}

/// Whether clients that trust the previous root are served, as long as they are to be.
fn has_good_cross_signed_chain(
    paths: &PkiPaths,
    authority: &Authority,
    identity: &Identity,
    now: Timestamp,
) -> Result<bool, PkiError> {
    let Some(rotation) = authority.rotation(now) else { return Ok(true) };
    match CrossSignedChain::load(paths, identity, rotation, now) {
        Ok(_) => Ok(true),
        Err(error) if error.is_fixed_by_reissue() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the chain on disk ends below this authority's root.
fn is_from(authority: &Authority, path: &Path) -> Result<bool, PkiError> {
    let chain = certificate::from_pem(path, &read_public(path)?)?;
    match chain.get(1) {
        Some(issuing) => authority.signed(path, issuing),
        None => Ok(false),
    }
}
