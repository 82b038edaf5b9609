//! What keeps the collector from removing too much: a mark that database and blob store have in common, and a count of what is removed in a
//! day.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::storage::StorageError;

/// What the database knows of the blob store that belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectionMark {
    /// The mark that the blob store has; `None` before the first collection.
    pub mark: Option<Uuid>,
    /// The one before, which it still has where a process was stopped between the two.
    pub before: Option<Uuid>,
    /// When the mark was drawn, in seconds.
    pub since: i64,
}

/// How many blobs may be removed without asking.
#[derive(Clone, Copy, Debug)]
pub struct RemovalLimit {
    /// So many in any case.
    pub least: u64,
    /// And this part of all blobs, in percent.
    pub percent: u64,
    /// Within this time.
    pub within: Duration,
}

/// What is about to be removed, and whether it may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removals {
    /// Marked blobs, whose removal waits.
    pub waiting: u64,
    /// Blobs that were removed since the count began.
    pub removed: u64,
    /// Blobs that there were when it began.
    pub blobs: u64,
    /// Whether those that wait may be removed.
    pub are_allowed: bool,
}

/// The guard of the collector.
#[async_trait]
pub trait CollectionGuard {
    /// The mark.
    async fn collection_mark(&self) -> Result<CollectionMark, StorageError>;

    /// Replaces the mark `before` by another one. `false`, and nothing done, where it is another one by now.
    async fn replace_collection_mark(&self, before: Option<Uuid>, mark: Uuid) -> Result<bool, StorageError>;

    /// Counts what waits, and compares it with the limit. The count begins again when its time is over.
    async fn removals(&self, limit: RemovalLimit) -> Result<Removals, StorageError>;

    /// Allows the removal of the blobs that wait for it now; returns how many.
    async fn confirm_removals(&self) -> Result<u64, StorageError>;
}
