//! The tags of a repository, a page at a time.

use std::collections::HashMap;

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::{Digest, RepositoryName, Tag};

/// A tag, and the manifest that it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaggedManifest {
    /// The tag.
    pub(crate) tag: Tag,
    /// The manifest's digest.
    pub(crate) digest: Digest,
    /// When the tag was last moved, in seconds since the Unix epoch.
    pub(crate) updated_at: i64,
    /// When the tag, or its manifest, was last pulled, and by whom, as far as that is recorded.
    pub(crate) last_pull: Option<(i64, String)>,
}

impl Administration {
    /// Up to `limit` tags in ASCII order, from the first one after `after`. The last page is empty.
    pub(crate) async fn tags(
        &self,
        _permit: &AdminPermit,
        name: &RepositoryName,
        after: Option<&Tag>,
        limit: u32,
    ) -> Result<Vec<TaggedManifest>, AdminError> {
        let page = self.metadata.tags(name, after.map(Tag::as_str), limit).await?;
        let page = page.ok_or_else(|| AdminError::UnknownRepository(name.clone()))?;
        let names: Vec<Tag> = page.iter().map(|record| record.tag.clone()).collect();
        let pulls = self.metadata.last_pulls(name, &names).await?.into_iter();
        let mut pulls: HashMap<Tag, _> = pulls.map(|pull| (pull.tag, (pull.at, pull.by))).collect();
        let tagged = page.into_iter().map(|record| TaggedManifest {
            last_pull: pulls.remove(&record.tag),
            tag: record.tag,
            digest: record.digest,
            updated_at: record.updated_at,
        });
        Ok(tagged.collect())
    }
}
