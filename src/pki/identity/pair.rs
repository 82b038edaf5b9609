//! A chain and its key change together, although they are two files.
//!
//! Both are written next to their places first, to their last byte; then the key is put into its place and the chain into its own. A process
//! that is killed between those two steps leaves the chain next to its place, and [`repair_pairs`] takes the second step.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::import::remove_key_from_chain;
use super::{Identity, Origin};
use crate::pki::error::PkiError;
use crate::pki::files::atomic_file::{is_temporary, write_temporary};
use crate::pki::files::paths::PkiPaths;
use crate::pki::files::private_file::{
    destroy_key, lock_directory, read_kept_key, read_public, remove_public, sync_directory,
};

/// Where the two halves of a pair are stored.
pub(crate) struct Pair {
    chain: PathBuf,
    key: PathBuf,
}

impl Pair {
    /// These two, in one directory.
    pub(crate) fn at(chain: PathBuf, key: PathBuf) -> Self {
        Self { chain, key }
    }

    /// Replaces the pair by this one. The directory must be locked.
    pub(crate) fn write(&self, chain_pem: &[u8], key_pem: &[u8], now: Timestamp) -> Result<(), PkiError> {
        self.repair(now)?;
        let chain = write_temporary(&self.chain, chain_pem, 0o644).map_err(PkiError::io("write", &self.chain))?;
        let key = write_temporary(&self.key, key_pem, 0o600).inspect_err(|_| drop(fs::remove_file(&chain)));
        let key = key.map_err(PkiError::io("write", &self.key))?;
        fs::rename(&key, &self.key).map_err(PkiError::io("write", &self.key))?;
        fs::rename(&chain, &self.chain).map_err(PkiError::io("write", &self.chain))?;
        sync_directory(self.directory())
    }

    /// Takes the step that a killed command has not taken, and removes the rest of what it left. The directory must be locked.
    fn repair(&self, now: Timestamp) -> Result<(), PkiError> {
        let chains = self.left_of(&self.chain)?;
        let in_place = chains.is_empty() || self.fits(&self.chain, now);
        if let Some(chain) = chains.iter().find(|chain| !in_place && self.fits(chain, now)) {
            fs::rename(chain, &self.chain).map_err(PkiError::io("write", &self.chain))?;
            sync_directory(self.directory())?;
        }
        chains.iter().try_for_each(|chain| remove_public(chain))?;
        self.left_of(&self.key)?.iter().try_for_each(|key| destroy_key(key))
    }

    /// Whether the key in its place is the chain's.
    fn fits(&self, chain: &Path, now: Timestamp) -> bool {
        let (Ok(chain_pem), Ok(key_pem)) = (read_public(chain), read_kept_key(&self.key)) else { return false };
        let pair = ((chain, &chain_pem[..]), (self.key.as_path(), &key_pem));
        // One that has expired still belongs to its key.
        !matches!(
            Identity::from_pem(pair.0, pair.1, Origin::ManagedCa, now),
            Err(PkiError::KeyMismatch { .. } | PkiError::Pem { .. })
        )
    }

    /// Halves that were to take the place of `path`.
    fn left_of(&self, path: &Path) -> Result<Vec<PathBuf>, PkiError> {
        let stem = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut left = Vec::new();
        for entry in self.directory().read_dir().map_err(PkiError::io("list", self.directory()))? {
            let entry = entry.map_err(PkiError::io("list", self.directory()))?;
            if entry.file_name().to_str().is_some_and(|name| is_temporary(name, stem)) {
                left.push(entry.path());
            }
        }
        Ok(left)
    }

    fn directory(&self) -> &Path {
        self.chain.parent().unwrap_or(Path::new("."))
    }
}

/// Repairs every pair of the data directory that a killed command has left in between.
pub(crate) fn repair_pairs(paths: &PkiPaths, now: Timestamp) -> Result<(), PkiError> {
    let directory = paths.serving_dir();
    if !directory.exists() {
        return Ok(());
    }
    let _lock = lock_directory(&directory)?;
    let pairs = [
        (paths.leaf_chain(), paths.leaf_key()),
        (paths.cross_signed_chain(), paths.cross_signed_key()),
        (paths.imported_chain(), paths.imported_key()),
        (paths.acme_chain(), paths.acme_key()),
    ];
    pairs.into_iter().try_for_each(|(chain, key)| Pair::at(chain, key).repair(now))?;
    remove_key_from_chain(paths)
}
