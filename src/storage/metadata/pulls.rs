//! When tags and manifests were last pulled. Known a while after the pull, because many are written at once.

use async_trait::async_trait;

use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;

/// A manifest that was pulled, once or many times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PullRecord {
    /// From where.
    pub repository: RepositoryName,
    /// The manifest.
    pub digest: Digest,
    /// The tag that it was asked for by, if it was one.
    pub tag: Option<Tag>,
    /// When it was last pulled.
    pub at: i64,
    /// By whom, then.
    pub by: String,
}

/// The last pull of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastPull {
    /// The tag.
    pub tag: Tag,
    /// When it, or the manifest that it points to, was last pulled.
    pub at: i64,
    /// By whom.
    pub by: String,
}

/// Pulls by repository.
#[async_trait]
pub trait Pulls {
    /// Notes pulls; one that is earlier than what is known changes nothing, nor does one of something that is gone.
    async fn record_pulls(&self, pulls: Vec<PullRecord>) -> Result<(), StorageError>;

    /// The last pulls of these tags; those that were never pulled are left out.
    async fn last_pulls(&self, repository: &RepositoryName, tags: &[Tag]) -> Result<Vec<LastPull>, StorageError>;

    /// Says whether pulls are recorded from now on. While they are, it makes no difference to say so again.
    async fn set_pull_recording(&self, on: bool) -> Result<(), StorageError>;

    /// Since when every pull is recorded; `None` while they are not.
    async fn pulls_recorded_since(&self) -> Result<Option<i64>, StorageError>;
}
