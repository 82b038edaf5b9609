//! What tags pointed to, and what was purged.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::metadata::{HistoryRecord, PurgeRecord};

/// How many entries are read at a time.
const PAGE: u32 = 1000;

/// To where a tag is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagMoment {
    /// To what it pointed to when it was deleted.
    Deleted,
    /// To what it pointed to before it was moved.
    Previous,
    /// To what it pointed to at this time, in seconds since the Unix epoch.
    At(i64),
}

/// What a tag points to, or pointed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TagEntry {
    /// The tag.
    pub(crate) tag: Tag,
    /// The manifest.
    pub(crate) digest: Digest,
    /// From when, in seconds since the Unix epoch.
    pub(crate) from: i64,
    /// By whom, and why; `None`: not recorded.
    pub(crate) by: Option<(String, String)>,
    /// Until when, by whom, and why; `None`: until now.
    pub(crate) ended: Option<(i64, String, String)>,
}

/// A purge that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PurgedBefore {
    /// The manifest; `None`: the whole repository.
    pub(crate) digest: Option<Digest>,
    /// Why.
    pub(crate) reason: String,
    /// When, in seconds since the Unix epoch.
    pub(crate) at: i64,
    /// By whom.
    pub(crate) by: String,
}

/// The past of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    /// By tag, the newest first.
    pub(crate) tags: Vec<TagEntry>,
    /// The newest first.
    pub(crate) purges: Vec<PurgedBefore>,
}

impl From<HistoryRecord> for TagEntry {
    fn from(record: HistoryRecord) -> Self {
        let HistoryRecord { tag, digest, from, by, ended, .. } = record;
        Self { tag, digest, from, by, ended: ended.map(|ended| (ended.at, ended.by, ended.cause)) }
    }
}

impl From<PurgeRecord> for PurgedBefore {
    fn from(record: PurgeRecord) -> Self {
        let PurgeRecord { digest, reason, purged_at, purged_by, .. } = record;
        Self { digest, reason, at: purged_at, by: purged_by }
    }
}

impl Administration {
    /// What a tag, or every tag of the repository, points to and pointed to.
    pub(crate) async fn history(
        &self,
        _permit: &AdminPermit,
        repository: &RepositoryName,
        tag: Option<&Tag>,
    ) -> Result<Past, AdminError> {
        let purges: Vec<PurgedBefore> = match tag {
            None => self.metadata.purges(repository).await?.into_iter().map(PurgedBefore::from).collect(),
            Some(_) => Vec::new(),
        };
        if purges.is_empty() && !self.metadata.repository_exists(repository).await? {
            return Err(AdminError::UnknownRepository(repository.clone()));
        }
        let mut records = self.past(repository, tag).await?;
        records.extend(self.present(repository, tag).await?);
        if let Some(tag) = tag
            && records.is_empty()
        {
            return Err(AdminError::UnknownTag(repository.clone(), tag.clone()));
        }
        // What a tag points to now has the number 0, and is the newest.
        records.sort_by(|one, other| {
            let newest_first =
                |record: &HistoryRecord| std::cmp::Reverse(if record.id == 0 { i64::MAX } else { record.id });
            (&one.tag, newest_first(one)).cmp(&(&other.tag, newest_first(other)))
        });
        Ok(Past { tags: records.into_iter().map(TagEntry::from).collect(), purges })
    }

    async fn past(&self, repository: &RepositoryName, tag: Option<&Tag>) -> Result<Vec<HistoryRecord>, AdminError> {
        let mut all = Vec::new();
        loop {
            let page = self.metadata.tag_history(repository, tag, all.last(), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    async fn present(&self, repository: &RepositoryName, tag: Option<&Tag>) -> Result<Vec<HistoryRecord>, AdminError> {
        let mut all = Vec::new();
        loop {
            let page = self.metadata.tag_targets(repository, tag, all.last(), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}
