//! Purging: what must not exist any more, such as a leaked secret, is removed at once: past the trash, past the leases of blobs and past the
//! collector's grace, with all that nothing else needs. What was purged, by whom and why, is recorded.

use async_trait::async_trait;

use super::Change;
use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;

/// What a purge has removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Manifests.
    pub manifests: u64,
    /// Contents of blobs that nothing else needs: their rows are gone, and the blob store removes them next.
    pub contents: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// Contents that stay, because other images need them, also images in the trash.
    pub shared: u64,
}

/// A purge that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRecord {
    /// The manifest; `None`: the whole repository.
    pub digest: Option<Digest>,
    /// Why.
    pub reason: String,
    /// When, in seconds.
    pub purged_at: i64,
    /// By whom.
    pub purged_by: String,
    /// What it has removed.
    pub purged: Purged,
}

/// Purges.
#[async_trait]
pub trait Purges {
    /// Purges a manifest with its tags, live or in the trash, and those that it lists and that refer to it and that nothing else needs. `None`
    /// where it does not exist; [`StorageError::Held`] where a hold is on it.
    async fn purge_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        reason: &str,
        change: &Change,
    ) -> Result<Option<Purged>, StorageError>;

    /// Purges a repository, and every deleted one of this name in the trash. `None` if none exists; [`StorageError::Held`] where
    /// anything in it is held.
    async fn purge_repository(
        &self,
        repository: &RepositoryName,
        reason: &str,
        change: &Change,
    ) -> Result<Option<Purged>, StorageError>;

    /// The last hundred purges of this repository, or of repositories of this name; the newest first.
    async fn purges(&self, repository: &RepositoryName) -> Result<Vec<PurgeRecord>, StorageError>;
}
