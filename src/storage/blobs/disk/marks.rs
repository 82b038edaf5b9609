//! Marks: empty files by which a node finds out that it has the store that the other nodes have.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::layout::{create_parent, failed, sync_directory};
use crate::storage::StorageError;

/// Leaves a mark; one that is there stays.
pub(super) fn leave(path: &Path) -> Result<(), StorageError> {
    create_parent(path)?;
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|error| failed("making", path, error))?;
    path.parent().map_or(Ok(()), sync_directory)
}
