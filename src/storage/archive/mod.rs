//! Files by name, in a directory or under a prefix of a bucket: where backups are kept. The same names in both, so that one can be copied to
//! the other with any tool.

mod directory;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

pub(crate) use self::directory::open_directory;
use super::StorageError;
use super::blobs::ByteStream;
use crate::domain::{Digest, Hasher};

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArchivedFile {
    /// Without its folder.
    pub(crate) name: String,
    pub(crate) size: u64,
}

/// Files by name. Folders are part of names, separated by `/`, and need not be made.
#[async_trait]
pub(crate) trait Archive: Send + Sync + 'static {
    /// Stores `body` in place of what is there. Where the body ends with an error, what is there stays. Survives a power cut once
    /// [`Archive::settle`] was called; until then it may be gone, but never is it there in part.
    async fn put(&self, name: &str, body: ByteStream) -> Result<(), StorageError>;

    /// The bytes of a file; [`StorageError::Damaged`] where it is missing.
    async fn get(&self, name: &str) -> Result<ByteStream, StorageError>;

    /// The files of a folder, not of those in it.
    async fn files(&self, folder: &str) -> Result<Vec<ArchivedFile>, StorageError>;

    /// The names of the folders in a folder, in order.
    async fn folders(&self, folder: &str) -> Result<Vec<String>, StorageError>;

    /// Removes a file, if it is there.
    async fn remove(&self, name: &str) -> Result<(), StorageError>;

    /// Makes everything durable that was stored.
    async fn settle(&self) -> Result<(), StorageError>;
}

/// The bytes of `body` as they come, and an error at their end if they are not what `digest` and `size` say.
pub(crate) fn verified(body: ByteStream, digest: Digest, size: u64) -> ByteStream {
    let hasher = Hasher::new(digest.algorithm());
    Box::pin(stream::unfold(Some((body, hasher, 0, digest)), move |state| async move {
        let (mut body, mut hasher, length, digest) = state?;
        match body.next().await {
            Some(Ok(chunk)) => {
                hasher.update(&chunk);
                let length = length + chunk.len() as u64;
                Some((Ok(chunk), Some((body, hasher, length, digest))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None if length == size && hasher.finish() == digest => None,
            None => {
                let why = format!("the content of {digest} is another one than its digest says");
                Some((Err(StorageError::Damaged(why)), None))
            }
        }
    }))
}
