//! Tags: one row each, in the order of their names.

use async_trait::async_trait;

use super::engine::Engine;
use super::row::Columns;
use super::statement::statements;
use super::value::{start, values};
use super::{SqlMetadata, trash};
use crate::domain::{RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::metadata::{Change, Repositories, TagRecord, Tags};

statements! {
    /// One row without a tag where the repository has none (after this one).
    LIST = "SELECT t.name, m.digest, t.updated_at FROM tags t JOIN manifests m ON m.id = t.manifest_id
        WHERE t.repository_id = (SELECT id FROM repositories WHERE name = $1) AND t.name > $2 ORDER BY t.name LIMIT $3";
}

#[async_trait]
impl<E: Engine> Tags for SqlMetadata<E> {
    async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Option<Vec<TagRecord>>, StorageError> {
        let rows = self.engine.all(LIST, values![repository, start(after), limit]).await?;
        if rows.is_empty() && !self.repository_exists(repository).await? {
            return Ok(None);
        }
        rows.iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag, change: &Change) -> Result<bool, StorageError> {
        let (what, change) = ((repository.clone(), tag.clone()), (change.clone(), self.clock.seconds()));
        self.write(move |session| Box::pin(trash::discard::tag(session, what, change))).await
    }
}

fn read<R: Columns>(found: &R) -> Result<TagRecord, StorageError> {
    Ok(TagRecord {
        tag: found.parsed("name")?,
        digest: found.parsed("digest")?,
        updated_at: found.integer("updated_at")?,
    })
}
