//! Marks: empty files by which a node finds out that it has the store that the other nodes have; and the bond, one file with a UUID, by which
//! the collector finds out that database and blobs belong together.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use uuid::Uuid;

use super::layout::{create_parent, failed, sync_directory};
use crate::storage::StorageError;

/// Leaves a mark; one that is there stays.
pub(super) fn leave(path: &Path) -> Result<(), StorageError> {
    create_parent(path)?;
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|error| failed("making", path, error))?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// The bond, if there is one.
pub(super) fn bond(path: &Path) -> Result<Option<Uuid>, StorageError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| failed("reading", path, error))?,
    };
    let damaged = |error| StorageError::Damaged(format!("{}: {error}", path.display()));
    text.trim().parse().map(Some).map_err(damaged)
}

/// Replaces the bond. An earlier file of that name is whole, or this one is.
pub(super) fn bind(path: &Path, bond: Uuid) -> Result<(), StorageError> {
    create_parent(path)?;
    let new = path.with_extension(Uuid::new_v4().to_string());
    write(&new, bond).map_err(|error| failed("writing", &new, error))?;
    fs::rename(&new, path).map_err(|error| failed("replacing", path, error))?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn write(path: &Path, bond: Uuid) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{bond}")?;
    file.sync_all()
}
