//! Whether this node has the store that the blobs of this database are in: another bucket, or the disk of another machine, has none of them.

use anyhow::bail;
use uuid::Uuid;

use crate::storage::StorageError;
use crate::storage::blobs::BlobStore;
use crate::storage::metadata::Metadata;

/// Refuses a store without the mark that the database knows. The first node leaves one; of several, the database says whose counts.
pub(crate) async fn require_blob_store(metadata: &dyn Metadata, blobs: &dyn BlobStore) -> anyhow::Result<()> {
    let mark = if let Some(mark) = metadata.blob_store().await? {
        mark
    } else {
        let mark = Uuid::new_v4();
        // In the store before the database knows of it: whatever stops this, the next start tries again with another.
        blobs.mark(mark).await?;
        metadata.claim_blob_store(&mark.to_string()).await?
    };
    let damaged = |error| StorageError::Damaged(format!("the mark of the blob store in the database, {mark}: {error}"));
    if blobs.has_mark(mark.parse().map_err(damaged)?).await? {
        return Ok(());
    }
    bail!(
        "this node has another place for blobs than the other nodes of its database: the object instance/{mark} is missing there. Give every \
         node the same bucket and prefix ([blobs.s3]); blobs in a data directory serve one node alone. If the blobs were moved to a new \
         place, move that object along with them"
    )
}
