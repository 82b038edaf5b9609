//! Publishing: the content is synced, gets its name without ever replacing a good content, and the name is synced.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::cancel::CancelFlag;
use super::layout::{self, Layout, failed, sync_name};
use super::{small, staging};
use crate::domain::{Digest, Hasher, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// Publishes the first `length` bytes of a session's content under `digest`.
pub(super) fn publish(
    layout: &Layout,
    upload: UploadId,
    length: u64,
    digest: &Digest,
    cancelled: &CancelFlag,
) -> Result<BlobKey, StorageError> {
    let (key, published) = layout.published(digest);
    let staged = layout.upload(upload);
    let file = match staging::open(&staged, length, cancelled) {
        // An earlier try got this far before its row was stored.
        Err(StorageError::Damaged(_)) if already_moved(&staged, &published, length, digest)? => {
            sync_name(&published, digest)?;
            return Ok(key);
        }
        opened => opened?,
    };
    if let Err(error) = file.sync_data() {
        // Never tried again on the same file: a second sync would succeed without having written what the first one lost.
        let _ = fs::remove_file(&staged);
        return Err(failed("syncing", &staged, error));
    }
    name(&staged, &published, length)?;
    // Open, and so locked, until here: nothing else wrote to it since it was synced.
    drop(file);
    // Also where the content was there already: the session that published it may not have come to this point yet.
    sync_name(&published, digest)?;
    Ok(key)
}

/// A small content is read and compared: only its name may have reached the disk before a power cut.
fn already_moved(staged: &Path, published: &Path, length: u64, digest: &Digest) -> Result<bool, StorageError> {
    if layout::length(staged)?.is_some() || layout::length(published)? != Some(length) {
        return Ok(false);
    }
    if length > small::LONGEST as u64 {
        return Ok(true);
    }
    let reading = |error| failed("reading", published, error);
    let content = fs::read(published).map_err(reading)?;
    File::open(published).and_then(|file| file.sync_data()).map_err(reading)?;
    Ok(Hasher::digest(digest.algorithm(), &content) == *digest)
}

/// Moves the staged file to its published name, unless a content of this length has it already. A small one is never trusted: see
/// [`small::publish`].
fn name(staged: &Path, published: &Path, length: u64) -> Result<(), StorageError> {
    match move_to_new(staged, published) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            layout::create_parent(published)?;
            move_to_new(staged, published)
        }
        moved => moved,
    }
    .or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists if length > small::LONGEST as u64 && is_whole(published, length)? => {
            layout::remove(staged)
        }
        io::ErrorKind::AlreadyExists => {
            fs::rename(staged, published).map_err(|error| failed("replacing", published, error))
        }
        _ => Err(failed("publishing", published, error)),
    })
}

fn is_whole(published: &Path, length: u64) -> Result<bool, StorageError> {
    Ok(layout::length(published)? == Some(length))
}

/// A rename that fails where the new name exists.
pub(super) fn move_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems without this flag; between look and rename only the same content can appear.
        Err(Errno::INVAL | Errno::NOSYS) if to.exists() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}
