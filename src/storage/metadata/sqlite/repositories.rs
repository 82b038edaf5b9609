//! Repositories: rows that come into being with their first content.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::statement::statements;
use super::{SqliteMetadata, now, row};
use crate::domain::{AccountName, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{Repositories, RepositorySummary};

statements! {
    LIST = "SELECT name FROM repositories WHERE name > $1 ORDER BY name LIMIT $2";
    BELOW = "SELECT name FROM repositories WHERE name > $1 AND name < $2 ORDER BY name LIMIT 10";
    FIND = "SELECT id FROM repositories WHERE name = $1";
    CREATE = "INSERT INTO repositories (name, created_at) VALUES ($1, $2) RETURNING id";
    REMOVE = "DELETE FROM repositories WHERE name = $1";
    REMOVE_UPLOADS = "DELETE FROM uploads WHERE repository = $1";
    SUMMARY = "SELECT r.created_at,
            (SELECT COUNT(*) FROM tags t WHERE t.repository_id = r.id) AS tags,
            (SELECT COUNT(*) FROM manifests m WHERE m.repository_id = r.id) AS manifests,
            (SELECT COUNT(*) FROM repository_blobs l WHERE l.repository_id = r.id) AS blobs,
            (SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM repository_blobs l JOIN blobs b ON b.id = l.blob_id
                WHERE l.repository_id = r.id) AS bytes
        FROM repositories r WHERE r.name = $1";
}

#[async_trait]
impl Repositories for SqliteMetadata {
    async fn repositories(&self, after: Option<&str>, limit: u32) -> Result<Vec<RepositoryName>, StorageError> {
        let rows =
            sqlx::query(LIST).bind(after.unwrap_or_default()).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        rows.iter().map(|found| row::parsed(found, "name")).collect()
    }

    async fn repository_exists(&self, name: &RepositoryName) -> Result<bool, StorageError> {
        Ok(sqlx::query(FIND).bind(name.as_str()).fetch_optional(&self.readers).await?.is_some())
    }

    async fn repository_summary(&self, name: &RepositoryName) -> Result<Option<RepositorySummary>, StorageError> {
        let found = sqlx::query(SUMMARY).bind(name.as_str()).fetch_optional(&self.readers).await?;
        let Some(found) = found else { return Ok(None) };
        Ok(Some(RepositorySummary {
            name: name.clone(),
            tags: row::unsigned(&found, "tags")?,
            manifests: row::unsigned(&found, "manifests")?,
            blobs: row::unsigned(&found, "blobs")?,
            bytes: row::unsigned(&found, "bytes")?,
            created_at: found.try_get("created_at")?,
        }))
    }

    async fn remove_repository(&self, name: &RepositoryName) -> Result<bool, StorageError> {
        let name = name.clone();
        self.write(move |connection| {
            Box::pin(async move {
                // Tags, manifests, references and links go with the row.
                let removed =
                    sqlx::query(REMOVE).bind(name.as_str()).execute(&mut *connection).await?.rows_affected() > 0;
                if removed {
                    sqlx::query(REMOVE_UPLOADS).bind(name.as_str()).execute(connection).await?;
                }
                Ok(removed)
            })
        })
        .await
    }
}

/// The first repositories of `NAME/**`.
pub(super) async fn below(
    connection: &mut SqliteConnection,
    name: &AccountName,
) -> Result<Vec<RepositoryName>, StorageError> {
    // '0' follows '/'.
    let (first, end) = (format!("{name}/"), format!("{name}0"));
    let rows = sqlx::query(BELOW).bind(first).bind(end).fetch_all(connection).await?;
    rows.iter().map(|found| row::parsed(found, "name")).collect()
}

/// The repository's row.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    name: &RepositoryName,
) -> Result<Option<i64>, StorageError> {
    let found = sqlx::query(FIND).bind(name.as_str()).fetch_optional(connection).await?;
    Ok(found.map(|found| found.try_get(0)).transpose()?)
}

/// The repository's row, made where it is missing.
pub(super) async fn ensure(connection: &mut SqliteConnection, name: &RepositoryName) -> Result<i64, StorageError> {
    if let Some(id) = find(connection, name).await? {
        return Ok(id);
    }
    Ok(sqlx::query(CREATE).bind(name.as_str()).bind(now()).fetch_one(connection).await?.try_get(0)?)
}
