//! Blobs of repositories: the right to read a blob depends on the repository that has it, never on its digest alone.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{Digest, NameRange, RepositoryName, TagProtection, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// A blob that a repository has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRecord {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where its content is stored.
    pub key: BlobKey,
}

/// The same with the repository's generation at the moment of reading ([`crate::storage::coordination::Versions::generation`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedBlob {
    /// The blob.
    pub blob: BlobRecord,
    /// The generation.
    pub generation: i64,
    /// Until when the blob is leased, in seconds.
    pub leased_until: i64,
}

/// Blobs by repository. A blob that was just linked is leased: it is not collected before that time is over, though nothing refers to it
/// yet.
#[async_trait]
pub trait RepositoryBlobs {
    /// The blob, where this repository has it.
    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<LinkedBlob>, StorageError>;

    /// Records a published blob, links it to the repository (created where it is new), leases it, and ends the upload
    /// session, in one transaction. `None`, and nothing done, where that session is gone, or no longer has the length that is given with it,
    /// and the blob is not known under this key: it was cancelled, has expired, or moved on, and its content with it. Returns the key that counts from now on: a blob that is known keeps the one it has, unless its length
    /// differs. Content under another key than that is the caller's to remove; where the content under the one that counts is lost,
    /// [`RepositoryBlobs::replace_blob_key`] puts the new one in its place.
    async fn link_blob(
        &self,
        repository: &RepositoryName,
        blob: BlobRecord,
        finished: Option<(UploadId, u64)>,
        lease: Duration,
    ) -> Result<Option<BlobKey>, StorageError>;

    /// The same for a content that is stored already under the key of `blob`, which was read from its row, whatever became of the session.
    /// `false`, and nothing done, where that row is gone or has another key: its content may be about to be removed.
    async fn link_known_blob(
        &self,
        repository: &RepositoryName,
        blob: BlobRecord,
        finished: Option<(UploadId, u64)>,
        lease: Duration,
    ) -> Result<bool, StorageError>;

    /// The blob, of all repositories, unless its content is damaged: to store no content twice.
    async fn stored_blob(&self, digest: &Digest) -> Result<Option<BlobRecord>, StorageError>;

    /// Gives a blob whose content is lost the key of `blob`, if it still has the key `lost`. Returns the key that counts.
    async fn replace_blob_key(&self, blob: BlobRecord, lost: BlobKey) -> Result<BlobKey, StorageError>;

    /// Links a blob of `from` to `to` and leases it. `false`, and nothing done, where `from` does not have it.
    async fn mount_blob(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: &Digest,
        lease: Duration,
    ) -> Result<bool, StorageError>;

    /// Leases a blob of the repository: it stays for at least `lease` from now. `false` where the repository does not have it.
    async fn lease_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lease: Duration,
    ) -> Result<bool, StorageError>;

    /// The first repository in the range that has the blob. Takes as long where no repository of the range has it as where no
    /// repository at all does.
    async fn repository_with_blob(
        &self,
        digest: &Digest,
        within: &NameRange,
    ) -> Result<Option<RepositoryName>, StorageError>;

    /// Unlinks a blob from a repository. `false` where it was not linked; [`StorageError::Held`] where a hold is on what refers to it,
    /// [`StorageError::Immutable`] where a tag leads to it that is immutable by `protection`. The content stays until it is collected.
    async fn unlink_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        protection: &TagProtection,
    ) -> Result<bool, StorageError>;
}
