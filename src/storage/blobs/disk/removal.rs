//! Removal of contents for good: the names are gone when this returns, also after a power cut, so that no one need look for them again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout::{failed, sync_directory};
use crate::storage::StorageError;

/// Removes these files, and syncs each of their directories once. Whether there was one, for each.
pub(super) fn remove_all(paths: Vec<Result<PathBuf, StorageError>>) -> Vec<Result<bool, StorageError>> {
    let mut synced = BTreeMap::new();
    let removed: Vec<_> = paths.into_iter().map(|path| path.and_then(|path| Ok((remove(&path)?, path)))).collect();
    let settle = |(was_there, path): (bool, PathBuf)| {
        let Some(directory) = path.parent() else { return Ok(was_there) };
        let outcome = synced.entry(directory.to_owned()).or_insert_with(|| sync_directory(directory));
        outcome.clone().map(|()| was_there)
    };
    let mut settle = settle;
    removed.into_iter().map(|removed| removed.and_then(&mut settle)).collect()
}

fn remove(path: &Path) -> Result<bool, StorageError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("removing", path, error)),
    }
}
