//! What tags pointed to, from when until when, by whom and why. The current target is the tag's own row; when it is moved or deleted, that
//! becomes an entry of the history.

use async_trait::async_trait;

use super::Change;
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;

/// What a tag pointed to, or points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRecord {
    /// Its number; 0 for what a tag points to now.
    pub id: i64,
    /// The tag.
    pub tag: Tag,
    /// What it pointed to.
    pub digest: Digest,
    /// From when, in seconds.
    pub from: i64,
    /// Who pointed it there, and why; `None` where an earlier version did, which did not record it.
    pub by: Option<(String, String)>,
    /// Until when, who ended it, and why; `None` where it still does.
    pub ended: Option<Ended>,
}

/// The end of what a tag pointed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When, in seconds.
    pub at: i64,
    /// By whom.
    pub by: String,
    /// Why.
    pub cause: String,
}

/// To where a tag is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// To what it pointed to when it was deleted; a tag that exists stays.
    Deleted,
    /// To what it pointed to at this time, in seconds.
    At(i64),
    /// To what it pointed to before it was moved to where it is.
    Previous,
}

/// What became of restoring a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagRestored {
    /// It points to `to` now, and to `from` before that.
    Moved {
        /// Where it points.
        to: Digest,
        /// Where it pointed.
        from: Option<Digest>,
    },
    /// It points there already.
    Unchanged(Digest),
    /// It was not deleted.
    Exists(Digest),
    /// The history has nothing for this moment.
    NothingThen,
    /// It pointed to this manifest, which is not there any more.
    ContentGone(Digest),
    /// The repository does not exist.
    UnknownRepository,
}

/// The history of tags.
#[async_trait]
pub trait TagHistory {
    /// Up to `limit` past entries of a tag, or of every tag: by tag, the oldest first, from the first after `after`.
    async fn tag_history(
        &self,
        repository: &RepositoryName,
        tag: Option<&Tag>,
        after: Option<&HistoryRecord>,
        limit: u32,
    ) -> Result<Vec<HistoryRecord>, StorageError>;

    /// Up to `limit` entries of what a tag, or every tag, points to now: by tag, from the first after `after`.
    async fn tag_targets(
        &self,
        repository: &RepositoryName,
        tag: Option<&Tag>,
        after: Option<&HistoryRecord>,
        limit: u32,
    ) -> Result<Vec<HistoryRecord>, StorageError>;

    /// Points a tag to what it pointed to at another time. The manifest leaves the trash, if it is there.
    async fn restore_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        moment: Moment,
        change: &Change,
    ) -> Result<TagRestored, StorageError>;

    /// Forgets up to `limit` entries that ended before this time. Returns how many.
    async fn forget_history(&self, before: i64, limit: u32) -> Result<u64, StorageError>;
}
