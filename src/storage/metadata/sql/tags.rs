//! Tags: one row each, in the order of their names.

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written};
use crate::domain::{RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{TagRecord, Tags};

statements! {
    /// One row without a tag where the repository has none (after this one).
    LIST = "SELECT t.name, m.digest, t.updated_at FROM repositories r
        LEFT JOIN tags t ON t.repository_id = r.id AND t.name > $2
        LEFT JOIN manifests m ON m.id = t.manifest_id
        WHERE r.name = $1 ORDER BY t.name LIMIT $3";
    DELETE = "DELETE FROM tags WHERE repository_id = (SELECT id FROM repositories WHERE name = $1) AND name = $2";
}

#[async_trait]
impl<E: Engine> Tags for SqlMetadata<E> {
    async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Option<Vec<TagRecord>>, StorageError> {
        let rows = self.engine.all(LIST, values![repository, after.unwrap_or_default(), limit.max(1)]).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut tags = Vec::with_capacity(rows.len());
        for found in &rows {
            if found.optional_text("name")?.is_some() {
                tags.push(TagRecord {
                    tag: found.parsed("name")?,
                    digest: found.parsed("digest")?,
                    updated_at: found.integer("updated_at")?,
                });
            }
        }
        tags.truncate(limit as usize);
        Ok(Some(tags))
    }

    async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool, StorageError> {
        let (values, effects) = (values![repository, tag], Effects::repository(repository.clone()));
        self.write(move |session| {
            Box::pin(async move { Ok(Written::if_changed(session.run(DELETE, values).await? > 0, effects)) })
        })
        .await
    }
}
