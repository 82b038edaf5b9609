//! Small contents. Until they are published they have no file: they are kept with their session, in memory and then in its row, so that one
//! commit makes progress durable that would take the syncs of a file, of a directory and of a row.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::cancel::CancelFlag;
use super::layout::{self, Layout, failed, sync_name};
use super::{publish, staging};
use crate::domain::{Digest, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::{BlobKey, Staged, StagingState};

/// The longest of them: what fits into one small buffer.
pub(super) const LONGEST: usize = super::append::SMALL_BUFFER;

/// The content that is kept with the session, where it is; nothing, where nothing was received.
pub(super) fn content(staged: &Staged) -> Option<&[u8]> {
    match &staged.area.backend {
        Some(StagingState(content)) => Some(content),
        None if staged.length == 0 => Some(&[]),
        None => None,
    }
}

/// Publishes a small content: written once, named, and then synced, because the sync of a new file writes its name to the disk as well on
/// most file systems.
///
/// So a power cut can leave a file of this name that is not whole, though no row ever names it before its sync: a file that is there
/// already is therefore replaced, not trusted.
pub(super) fn publish(
    layout: &Layout,
    upload: UploadId,
    content: &[u8],
    digest: &Digest,
    cancelled: &CancelFlag,
) -> Result<BlobKey, StorageError> {
    let (key, published) = layout.published(digest);
    let staged = layout.upload(upload);
    let file = staging::open(&staged, 0, cancelled)?;
    file.write_all_at(content, 0).map_err(|error| failed("writing", &staged, error))?;
    if publish::move_to_new(&staged, &published).is_ok() {
        sync(&file).map_err(|error| failed("syncing", &published, error))?;
    } else {
        layout::create_parent(&published)?;
        sync(&file).map_err(|error| failed("syncing", &staged, error))?;
        std::fs::rename(&staged, &published).map_err(|error| failed("publishing", &published, error))?;
    }
    drop(file);
    sync_name(&published, digest)?;
    Ok(key)
}

/// A file whose sync failed is emptied, and not removed: its name may be another one's by now. Empty, it is not taken for the content.
fn sync(file: &File) -> io::Result<()> {
    file.sync_data().inspect_err(|_| {
        let _ = file.set_len(0);
    })
}
