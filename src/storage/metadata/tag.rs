//! Tags of repositories.

use async_trait::async_trait;

use super::Change;
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;

/// A tag and what it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRecord {
    /// The tag.
    pub tag: Tag,
    /// The manifest that it points to.
    pub digest: Digest,
    /// When it was last moved.
    pub updated_at: i64,
}

/// Tags by repository.
#[async_trait]
pub trait Tags {
    /// Up to `limit` tags in ASCII order, from the first after `after` (which need not exist); `None` where the repository does not
    /// exist.
    async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Option<Vec<TagRecord>>, StorageError>;

    /// Deletes the tag alone, into the trash where `change` keeps it. `false` where it did not exist; [`StorageError::Held`] where it is
    /// held.
    async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag, change: &Change) -> Result<bool, StorageError>;
}
