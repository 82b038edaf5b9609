//! What is in the trash.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::{ImageName, Reference};
use crate::storage::metadata::{TrashEntry, Trashed};

/// How many entries are read at a time.
const PAGE: u32 = 1000;

/// Something that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeletedItem {
    /// By which it is restored.
    pub(crate) id: i64,
    /// `tag`, `manifest` or `repository`.
    pub(crate) kind: &'static str,
    /// What it was called.
    pub(crate) name: ImageName,
    /// What a tag pointed to.
    pub(crate) digest: Option<String>,
    /// The number of the manifest that it went with.
    pub(crate) part_of: Option<i64>,
    /// When it was deleted, in seconds since the Unix epoch.
    pub(crate) deleted_at: i64,
    /// By whom.
    pub(crate) deleted_by: String,
    /// Why.
    pub(crate) cause: String,
    /// Until when it can be restored.
    pub(crate) until: i64,
}

impl From<TrashEntry> for DeletedItem {
    fn from(entry: TrashEntry) -> Self {
        let (kind, reference, digest) = match entry.what {
            Trashed::Tag(tag, digest) => ("tag", Some(Reference::Tag(tag)), Some(digest.to_string())),
            Trashed::Manifest(digest) => ("manifest", Some(Reference::Digest(digest)), None),
            Trashed::Repository => ("repository", None, None),
        };
        Self {
            id: entry.id,
            kind,
            name: ImageName { repository: entry.repository, reference },
            digest,
            part_of: entry.part_of,
            deleted_at: entry.deleted_at,
            deleted_by: entry.deleted_by,
            cause: entry.cause,
            until: entry.purge_at,
        }
    }
}

impl Administration {
    /// Everything that is in the trash, the oldest first.
    pub(crate) async fn trash(&self, _permit: &AdminPermit) -> Result<Vec<DeletedItem>, AdminError> {
        let mut all = Vec::new();
        loop {
            let last = all.last().map_or(0, |last: &DeletedItem| last.id);
            let page = self.metadata.trash(last, PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page.into_iter().map(DeletedItem::from));
        }
    }
}
