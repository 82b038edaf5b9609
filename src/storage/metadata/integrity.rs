//! Whether contents are what their rows say: the rows in the order in which a blob store lists contents, when each was last read back, and
//! what was found to be damaged.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;

use super::BlobRecord;
use crate::domain::Digest;
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;

/// A blob's row, of all repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// The blob.
    pub blob: BlobRecord,
    /// Whether its content was found to be damaged or lost.
    pub damaged: bool,
}

/// A place in the order in which contents are read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubPlace {
    /// When the content was last read back.
    pub verified_at: i64,
    /// The row.
    pub id: i64,
}

impl ScrubPlace {
    /// Before all that need not be read at once.
    pub const START: Self = Self { verified_at: -1, id: i64::MAX };
}

/// Verification of contents.
#[async_trait]
pub trait Integrity {
    /// The first `limit` blobs after this key, in the order of keys.
    async fn blobs_by_key(&self, after: Option<&BlobKey>, limit: u32) -> Result<Vec<StoredBlob>, StorageError>;

    /// Which of these contents have a row, or are about to be removed by the collector.
    async fn known_contents(&self, keys: Vec<BlobKey>) -> Result<HashSet<BlobKey>, StorageError>;

    /// Leaves contents without a row to the collector, which looks once more before it removes each.
    async fn doom_contents(&self, contents: Vec<(BlobKey, u64)>) -> Result<(), StorageError>;

    /// The first `limit` sound blobs after `place` that were last read before `verified_before` and pushed before `pushed_before`, those first
    /// that were read longest ago.
    async fn due_for_scrub(
        &self,
        place: ScrubPlace,
        verified_before: i64,
        pushed_before: i64,
        limit: u32,
    ) -> Result<Vec<(ScrubPlace, BlobRecord)>, StorageError>;

    /// Blobs that are to be read as soon as possible.
    async fn suspected(&self, limit: u32) -> Result<Vec<BlobRecord>, StorageError>;

    /// Wants these to be read as soon as possible, by the process that may put damaged contents aside.
    async fn suspect(&self, digests: Vec<Digest>) -> Result<(), StorageError>;

    /// Takes note that these were read back, and are what they must be.
    async fn note_verified(&self, digests: Vec<Digest>) -> Result<(), StorageError>;

    /// Takes note that the content of the blob is damaged or lost, if it still has this key: no repository shows it from now on. `false`, and
    /// nothing done, where it has another key.
    async fn mark_damaged(&self, digest: &Digest, key: &BlobKey) -> Result<bool, StorageError>;

    /// The content of a damaged blob was found to be what it must be, under the key that it has.
    async fn mark_sound(&self, digest: &Digest, key: &BlobKey) -> Result<bool, StorageError>;

    /// Keeps the collector from removing contents for this long; to be called again before it is over.
    async fn pin_contents(&self, id: &str, time: Duration) -> Result<(), StorageError>;

    /// Ends that.
    async fn unpin_contents(&self, id: &str) -> Result<(), StorageError>;
}
