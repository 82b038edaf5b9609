//! The trash: what was deleted and can be restored.
//!
//! Deleting makes an entry, and what was deleted is gone for clients at once. Until the entry's time is over, it keeps the manifest that it is
//! about with all that this refers to, and a deleted repository as a whole; then it is removed for good, and the collector frees what nothing
//! else needs. A manifest that is pushed again leaves the trash.

use async_trait::async_trait;

use super::Change;
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;

/// What an entry of the trash is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trashed {
    /// A tag, and what it pointed to.
    Tag(Tag, Digest),
    /// A manifest.
    Manifest(Digest),
    /// A repository with all that was in it.
    Repository,
}

/// An entry of the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrashEntry {
    /// Its number, by which it is restored. Later ones are higher.
    pub id: i64,
    /// What was deleted.
    pub what: Trashed,
    /// The repository that it was in, or was.
    pub repository: RepositoryName,
    /// Where it is a tag that went with its manifest: the manifest's entry.
    pub part_of: Option<i64>,
    /// When it was deleted, in seconds.
    pub deleted_at: i64,
    /// By whom.
    pub deleted_by: String,
    /// Why.
    pub cause: String,
    /// When it is removed for good.
    pub purge_at: i64,
}

/// What became of a restoration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// It is there again. Tags that point elsewhere by now were left out.
    Restored {
        /// What was restored.
        entry: TrashEntry,
        /// Tags that went with a manifest and are taken now.
        left_out: Vec<Tag>,
    },
    /// The trash has no such entry: it was restored already, pushed again, or its time was over.
    Unknown,
    /// Its name is taken: by a tag that points to this manifest, or by another repository.
    NameTaken(TrashEntry, Option<Digest>),
    /// Its repository is in the trash too, as the entry of this number.
    RepositoryInTrash(TrashEntry, i64),
    /// Its manifest is not there any more.
    ContentGone(TrashEntry, Digest),
}

/// What became of removing an entry for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalOutcome {
    /// It is removed; the collector frees what nothing else needs.
    Removed,
    /// It was restored or removed meanwhile.
    Gone,
    /// It is held, and stays.
    Held,
}

/// The trash of the registry.
#[async_trait]
pub trait Trash {
    /// Up to `limit` entries, the oldest first, from the first after the number `after`.
    async fn trash(&self, after: i64, limit: u32) -> Result<Vec<TrashEntry>, StorageError>;

    /// Brings back what an entry is about.
    async fn restore(&self, id: i64, change: &Change) -> Result<RestoreOutcome, StorageError>;

    /// Entries of deleted repositories with this name, the newest first, ten at most.
    async fn deleted_repositories(&self, name: &RepositoryName) -> Result<Vec<TrashEntry>, StorageError>;

    /// Up to `limit` entries whose time is over.
    async fn due_trash(&self, limit: u32) -> Result<Vec<i64>, StorageError>;

    /// Removes an entry for good, and what it was about.
    async fn remove_trash(&self, id: i64) -> Result<RemovalOutcome, StorageError>;
}
