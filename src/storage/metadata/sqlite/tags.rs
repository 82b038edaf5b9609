//! Tags: one row each, in the order of their names.

use async_trait::async_trait;
use sqlx::Row;

use super::statement::statements;
use super::{SqliteMetadata, repositories, row};
use crate::domain::{RepositoryName, Tag};
use crate::storage::StorageError;
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
impl Tags for SqliteMetadata {
    async fn tags(
        &self,
        repository: &RepositoryName,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Option<Vec<TagRecord>>, StorageError> {
        let rows = sqlx::query(LIST)
            .bind(repository.as_str())
            .bind(after.unwrap_or_default())
            .bind(i64::from(limit.max(1)))
            .fetch_all(&self.readers)
            .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut tags = Vec::with_capacity(rows.len());
        for found in &rows {
            if found.try_get::<Option<&str>, _>("name")?.is_some() {
                tags.push(TagRecord {
                    tag: row::parsed(found, "name")?,
                    digest: row::parsed(found, "digest")?,
                    updated_at: found.try_get("updated_at")?,
                });
            }
        }
        tags.truncate(limit as usize);
        Ok(Some(tags))
    }

    async fn delete_tag(&self, repository: &RepositoryName, tag: &Tag) -> Result<bool, StorageError> {
        let (repository, tag) = (repository.clone(), tag.clone());
        self.write(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(DELETE).bind(repository.as_str()).bind(tag.as_str());
                let deleted = query.execute(&mut *connection).await?;
                repositories::raise_generation_if(&deleted, connection, &repository).await
            })
        })
        .await
    }
}
