//! The blob store on a local disk: one file per content, written once and never changed.
//!
//! Under the data directory, `uploads/<session>` is the staging area and `blobs/<algorithm>/ab/<hex>` what is published;
//! `blobs/instance/<id>` is a mark of the registry that it belongs to, `blobs/instance/bond` the bond with its database, and `quarantine` has
//! contents that were found to be damaged. Nothing
//! a client names becomes a path, except a digest's hexadecimal digits and a session's UUID. What is [`small`] has no staging area: it
//! stays with the session.

mod adopt;
mod append;
mod buffer;
mod cancel;
mod contents;
mod direct;
mod layout;
mod marks;
mod open_files;
mod originals;
mod publish;
mod read;
mod removal;
mod small;
mod space;
mod staging;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use uuid::Uuid;

use self::buffer::BufferPool;
use self::cancel::CancelGuard;
use self::direct::DirectWrites;
use self::layout::Layout;
use self::open_files::OpenFiles;
pub(crate) use self::originals::originals;
use self::space::FreeSpace;
use super::{Adoption, Appended, BlobKey, BlobStore, ByteStream, Original, Staged, StagingArea, StoredContent};
use crate::domain::{Algorithm, Clock, Digest, Hasher, UploadId};
use crate::storage::StorageError;

/// Why an object cannot be adopted.
const NOT_A_FILE: &str = "contents in a bucket can only be copied to a disk";

/// A blob store in a directory.
struct DiskBlobStore(Arc<Parts>);

struct Parts {
    layout: Layout,
    space: FreeSpace,
    received: BufferPool,
    read: BufferPool,
    open_files: OpenFiles,
    direct_writes: DirectWrites,
}

/// Opens the store under `root`, the data directory, and creates what is missing. Uploads are refused while the file system
/// has less than `min_free_space` bytes free (0: until it is full).
pub fn open(root: &Path, min_free_space: u64, clock: Clock) -> Result<Arc<dyn BlobStore>, StorageError> {
    Ok(Arc::new(DiskBlobStore(Arc::new(Parts {
        layout: Layout::create(root)?,
        space: FreeSpace::new(root, min_free_space, clock),
        received: BufferPool::new(append::BUFFER, append::SMALL_BUFFER, append::BUFFERS, 0),
        read: BufferPool::new(read::CHUNK, read::SMALL_CHUNK, read::CHUNKS, read::PHASE),
        open_files: OpenFiles::new(),
        direct_writes: DirectWrites::new(direct::DIRECT_FROM),
    }))))
}

#[async_trait]
impl BlobStore for DiskBlobStore {
    async fn append(&self, staged: Staged, body: ByteStream, durable: bool) -> Result<Appended, StorageError> {
        append::append(&self.0, staged, body, durable).await
    }

    async fn rehash(&self, staged: &Staged, algorithm: Algorithm) -> Result<Digest, StorageError> {
        if let Some(content) = small::content(staged) {
            return Ok(Hasher::digest(algorithm, content));
        }
        let (path, length) = (self.0.layout.upload(staged.area.upload), staged.length);
        let guard = CancelGuard::new();
        let cancelled = guard.flag();
        let digest = blocking(move || staging::rehash(&path, length, algorithm, &cancelled)).await;
        drop(guard);
        digest
    }

    async fn publish(&self, staged: &Staged, digest: &Digest) -> Result<BlobKey, StorageError> {
        let (parts, digest, small) = (Arc::clone(&self.0), digest.clone(), small::content(staged).map(<[u8]>::to_vec));
        let (upload, length) = (staged.area.upload, staged.length);
        let guard = CancelGuard::new();
        let cancelled = guard.flag();
        let key = blocking(move || match small {
            Some(content) => small::publish(&parts.layout, upload, &content, &digest, &cancelled),
            None => publish::publish(&parts.layout, upload, length, &digest, &cancelled),
        })
        .await;
        drop(guard);
        key
    }

    async fn discard(&self, area: &StagingArea) -> Result<(), StorageError> {
        let path = self.0.layout.upload(area.upload);
        blocking(move || layout::remove(&path)).await
    }

    async fn staged_before(
        &self,
        before: i64,
        after: Option<UploadId>,
        limit: usize,
    ) -> Result<Vec<StagingArea>, StorageError> {
        let parts = Arc::clone(&self.0);
        let found = blocking(move || parts.layout.staged_before(before, after, limit)).await?;
        Ok(found.into_iter().map(StagingArea::empty).collect())
    }

    async fn read(&self, key: &BlobKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
        read::read(&self.0, key, range).await
    }

    async fn length(&self, key: &BlobKey) -> Result<Option<u64>, StorageError> {
        let path = self.0.layout.blob(key)?;
        match open_files::known_length(&path) {
            Poll::Ready(length) => Ok(length),
            Poll::Pending => blocking(move || layout::length(&path)).await,
        }
    }

    async fn cannot_adopt(&self, original: &Original) -> Result<Option<String>, StorageError> {
        let Original::File(file) = original else { return Ok(Some(NOT_A_FILE.to_owned())) };
        let (parts, file) = (Arc::clone(&self.0), file.clone());
        blocking(move || adopt::why_not(&parts.layout, &file)).await
    }

    async fn adopt(&self, original: &Original, digest: &Digest, size: u64) -> Result<Adoption, StorageError> {
        let Original::File(file) = original else {
            return Ok(Adoption::Impossible(NOT_A_FILE.to_owned()));
        };
        let (parts, file, digest) = (Arc::clone(&self.0), file.clone(), digest.clone());
        let guard = CancelGuard::new();
        let cancelled = guard.flag();
        let adopted = blocking(move || adopt::adopt(&parts.layout, &file, &digest, size, &cancelled)).await;
        drop(guard);
        adopted
    }

    async fn settle(&self) -> Result<(), StorageError> {
        let parts = Arc::clone(&self.0);
        blocking(move || adopt::settle(&parts.layout)).await
    }

    async fn remove(&self, key: &BlobKey) -> Result<(), StorageError> {
        let path = self.0.layout.blob(key)?;
        self.0.open_files.forget(key);
        blocking(move || layout::remove(&path)).await
    }

    async fn contents(&self, after: Option<&BlobKey>) -> Result<Vec<StoredContent>, StorageError> {
        let (parts, after) = (Arc::clone(&self.0), after.cloned());
        blocking(move || contents::after(&parts.layout, after.as_ref())).await
    }

    async fn quarantine(&self, key: &BlobKey) -> Result<Option<String>, StorageError> {
        self.0.open_files.forget(key);
        let (parts, key) = (Arc::clone(&self.0), key.clone());
        let aside = blocking(move || contents::quarantine(&parts.layout, &key)).await?;
        Ok(aside.map(|path| path.display().to_string()))
    }

    async fn remove_all(&self, keys: &[BlobKey]) -> Vec<Result<bool, StorageError>> {
        let paths: Vec<_> = keys.iter().map(|key| self.0.layout.blob(key)).collect();
        for key in keys {
            self.0.open_files.forget(key);
        }
        let count = keys.len();
        let removed = blocking(move || Ok(removal::remove_all(paths))).await;
        removed.unwrap_or_else(|error| vec![Err(error); count])
    }

    async fn bond(&self) -> Result<Option<Uuid>, StorageError> {
        let path = self.0.layout.bond();
        blocking(move || marks::bond(&path)).await
    }

    async fn bind(&self, bond: Uuid) -> Result<(), StorageError> {
        let path = self.0.layout.bond();
        blocking(move || marks::bind(&path, bond)).await
    }

    async fn mark(&self, id: Uuid) -> Result<(), StorageError> {
        let path = self.0.layout.mark(id);
        blocking(move || marks::leave(&path)).await
    }

    async fn has_mark(&self, id: Uuid) -> Result<bool, StorageError> {
        let path = self.0.layout.mark(id);
        blocking(move || Ok(layout::length(&path)?.is_some())).await
    }

    async fn free_space(&self) -> Result<Option<u64>, StorageError> {
        self.0.space.left().map(Some)
    }
}

/// Runs `work` off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// The result of a task that panics only through a defect, and is cancelled only when the program ends.
fn joined<T>(outcome: Result<Result<T, StorageError>, tokio::task::JoinError>) -> Result<T, StorageError> {
    outcome.unwrap_or_else(|error| {
        Err(StorageError::Failed { context: "a task of the blob store".to_owned(), source: Arc::new(error) })
    })
}
