//! Our own server certificate: issued where it is missing, unfit, or past two thirds of its life.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::authority::Authority;
use super::bridge::{Bridge, names_within};
use super::certificate;
use super::error::TlsError;
use super::identity::{Identity, Origin};
use super::lifetime::renewal_due;
use super::pair::Pair;
use super::paths::TlsPaths;
use super::private_file::{destroy_key, lock_directory, make_directory, read_public, remove_public};
use super::subject_name::SubjectName;

/// What [`ensure_leaf`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafOutcome {
    /// The certificate at hand is good.
    Kept,
    /// A new one was written.
    Issued,
}

/// Makes sure that `tls/leaf.pem` serves `names`: issues a certificate when there is none, when its names differ, when another
/// authority signed it, or at two thirds of its life. A key that others may read is refused, not replaced.
pub fn ensure_leaf(data_dir: &Path, authority: &mut Authority, names: &[SubjectName]) -> Result<LeafOutcome, TlsError> {
    authority.check_permitted(names)?;
    let paths = TlsPaths::new(data_dir);
    make_directory(&paths.serving_dir())?;
    let _lock = lock_directory(&paths.serving_dir())?;
    if is_good(&paths, authority, names)? {
        return Ok(LeafOutcome::Kept);
    }
    issue(&paths, authority, names)?;
    Ok(LeafOutcome::Issued)
}

/// Writes a new certificate whatever the state of the old one.
pub fn renew_leaf(data_dir: &Path, authority: &mut Authority, names: &[SubjectName]) -> Result<(), TlsError> {
    let paths = TlsPaths::new(data_dir);
    make_directory(&paths.serving_dir())?;
    let _lock = lock_directory(&paths.serving_dir())?;
    issue(&paths, authority, names)
}

fn issue(paths: &TlsPaths, authority: &mut Authority, names: &[SubjectName]) -> Result<(), TlsError> {
    let leaf = authority.issue_leaf(names)?;
    let rotation = authority.rotation(Timestamp::now()).cloned();
    if let Some(within) = rotation.and_then(|rotation| names_within(names, &rotation)) {
        let bridge = authority.issue_leaf(&within)?;
        let pair = Pair::at(paths.bridge_chain(), paths.bridge_key());
        pair.write(bridge.chain_pem.as_bytes(), bridge.key_pem.as_bytes())?;
    } else if paths.bridge_key().exists() {
        // Of an overlap that has ended.
        destroy_key(&paths.bridge_key())?;
        remove_public(&paths.bridge_chain())?;
    }
    Pair::at(paths.leaf_chain(), paths.leaf_key()).write(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes())
}

fn is_good(paths: &TlsPaths, authority: &Authority, names: &[SubjectName]) -> Result<bool, TlsError> {
    let now = Timestamp::now();
    let identity = match Identity::load(&paths.leaf_chain(), &paths.leaf_key(), Origin::Own, now) {
        Ok(identity) => identity,
        Err(error) if error.is_mended_by_reissue() => {
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
        && has_good_bridge(paths, authority, &identity, now)?)
}

/// Whether clients that trust the root before are served, as long as they are to be.
fn has_good_bridge(
    paths: &TlsPaths,
    authority: &Authority,
    identity: &Identity,
    now: Timestamp,
) -> Result<bool, TlsError> {
    let Some(rotation) = authority.rotation(now) else { return Ok(true) };
    match Bridge::load(paths, identity, rotation, now) {
        Ok(_) => Ok(true),
        Err(error) if error.is_mended_by_reissue() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the chain on disk ends below this authority's root.
fn is_from(authority: &Authority, path: &Path) -> Result<bool, TlsError> {
    let chain = certificate::from_pem(path, &read_public(path)?)?;
    match chain.get(1) {
        Some(issuing) => authority.signed(path, issuing),
        None => Ok(false),
    }
}
