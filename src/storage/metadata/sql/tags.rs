//! Tags: one row each, in the order of their names.

use async_trait::async_trait;

use super::collection::enqueue;
use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::{start, values};
use super::{SqlMetadata, Written, repositories};
use crate::domain::{RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{Repositories, TagRecord, Tags};

statements! {
    /// One row without a tag where the repository has none (after this one).
    LIST = "SELECT t.name, m.digest, t.updated_at FROM tags t JOIN manifests m ON m.id = t.manifest_id
        WHERE t.repository_id = (SELECT id FROM repositories WHERE name = $1) AND t.name > $2 ORDER BY t.name LIMIT $3";
    DELETE = "DELETE FROM tags WHERE repository_id = $1 AND name = $2";
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

    async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool, StorageError> {
        let (repository, tag, now) = (repository.clone(), tag.clone(), self.clock.seconds());
        self.write(move |session| {
            Box::pin(async move {
                let Some(id) = repositories::lock(session, &repository).await? else {
                    return Ok(Written::without_effects(false));
                };
                enqueue::targets(session, id, std::slice::from_ref(&tag), None, now).await?;
                let is_deleted = session.run(DELETE, values![id, &tag]).await? > 0;
                Ok(Written::if_changed(is_deleted, Effects::changes(repository)))
            })
        })
        .await
    }
}

fn read<R: Columns>(found: &R) -> Result<TagRecord, StorageError> {
    Ok(TagRecord {
        tag: found.parsed("name")?,
        digest: found.parsed("digest")?,
        updated_at: found.integer("updated_at")?,
    })
}
