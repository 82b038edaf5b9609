//! A content from anywhere but a client becomes one of a store: hashed while it is written, and compared before it is published.

use super::{BlobKey, BlobStore, ByteStream, Staged};
use crate::domain::{Digest, UploadId};
use crate::storage::StorageError;

/// Stores `body` under `digest`, durable when this returns. [`StorageError::Damaged`] where the bytes are others than `digest` and `size` say:
/// then nothing is kept of them.
pub(crate) async fn store_content(
    store: &dyn BlobStore,
    digest: &Digest,
    size: u64,
    body: ByteStream,
) -> Result<BlobKey, StorageError> {
    let staged = Staged::empty(UploadId::generate(), digest.algorithm());
    let appended = store.append(staged, body, false).await?;
    let staged = appended.staged;
    let broken = match appended.broken {
        Some(error) => Some(error),
        None if staged.length != size || staged.hasher.clone().finish() != *digest => {
            Some(StorageError::Damaged(format!("the content of {digest} is another one than its digest says")))
        }
        None => None,
    };
    if let Some(error) = broken {
        store.discard(&staged.area).await?;
        return Err(error);
    }
    store.publish(&staged, digest).await
}
