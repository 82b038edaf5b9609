//! Links between repositories and blobs: the right to read a blob hangs on its link, never on its digest alone.

use async_trait::async_trait;

use crate::domain::{Digest, NameRange, RepositoryName, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// A blob that a repository has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRecord {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where its content lies.
    pub key: BlobKey,
}

/// Blobs by repository.
#[async_trait]
pub trait BlobLinks {
    /// The blob, where this repository has it.
    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<BlobRecord>, StorageError>;

    /// Records a published blob, links it to the repository (created where it is new), leases it, and ends the upload
    /// session, in one transaction. A blob that is known already keeps its key, unless its length differs.
    async fn link_blob(
        &self,
        repository: &RepositoryName,
        blob: BlobRecord,
        finished: Option<UploadId>,
    ) -> Result<(), StorageError>;

    /// Links a blob of `from` to `to` and leases it. `false`, and nothing done, where `from` does not have it.
    async fn mount_blob(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StorageError>;

    /// The first repository in the range that has the blob. Takes as long where no repository of the range has it as where no
    /// repository at all does.
    async fn repository_with_blob(
        &self,
        digest: &Digest,
        within: &NameRange,
    ) -> Result<Option<RepositoryName>, StorageError>;

    /// Unlinks a blob from a repository. `false` where it was not linked. The content stays until it is collected.
    async fn unlink_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool, StorageError>;
}
