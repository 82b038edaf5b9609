//! Repositories: rows that come into being with their first content.

use async_trait::async_trait;
use sqlx::sqlite::SqliteQueryResult;
use sqlx::{Row, SqliteConnection};

use super::statement::statements;
use super::{SqliteMetadata, now, row};
use crate::domain::{AccountName, NameRange, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{Repositories, RepositorySummary};

statements! {
    LIST = "SELECT name FROM repositories WHERE name > $1 ORDER BY name LIMIT $2";
    BELOW = "SELECT name FROM repositories WHERE name > $1 AND name < $2 ORDER BY name LIMIT 10";
    FIND = "SELECT id FROM repositories WHERE name = $1";
    BETWEEN = "SELECT name FROM repositories WHERE name >= $1 AND name < $2 ORDER BY name LIMIT $3";
    CREATE = "INSERT INTO repositories (name, created_at, generation)
        SELECT $1, $2, last_generation + 1 FROM meta WHERE id = 1 RETURNING id";
    GENERATION = "SELECT generation FROM repositories WHERE name = $1";
    RAISE_GENERATION = "UPDATE repositories SET generation = generation + 1 WHERE id = $1";
    RAISE_GENERATION_OF = "UPDATE repositories SET generation = generation + 1 WHERE name = $1";
    /// So that a repository of the same name never has a generation again that this one had.
    KEEP_GENERATION = "UPDATE meta SET last_generation = (SELECT generation FROM repositories WHERE name = $1)
        WHERE id = 1 AND last_generation < (SELECT generation FROM repositories WHERE name = $1)";
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

    async fn repositories_within(
        &self,
        range: &NameRange,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, StorageError> {
        let rows = sqlx::query(BETWEEN)
            .bind(range.start_after(after))
            .bind(range.end())
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|found| row::parsed(found, "name")).collect()
    }

    async fn generation(&self, name: &RepositoryName) -> Result<Option<i64>, StorageError> {
        let found = sqlx::query(GENERATION).bind(name.as_str()).fetch_optional(&self.readers).await?;
        Ok(found.map(|found| found.try_get(0)).transpose()?)
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
                sqlx::query(KEEP_GENERATION).bind(name.as_str()).execute(&mut *connection).await?;
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
    create(connection, name).await
}

/// A new row.
pub(super) async fn create(connection: &mut SqliteConnection, name: &RepositoryName) -> Result<i64, StorageError> {
    Ok(sqlx::query(CREATE).bind(name.as_str()).bind(now()).fetch_one(connection).await?.try_get(0)?)
}

/// What was read of the repository before is read again.
pub(super) async fn raise_generation(connection: &mut SqliteConnection, id: i64) -> Result<(), StorageError> {
    sqlx::query(RAISE_GENERATION).bind(id).execute(connection).await?;
    Ok(())
}

/// The same by name, where a statement has changed something; whether it has.
pub(super) async fn raise_generation_if(
    changed: &SqliteQueryResult,
    connection: &mut SqliteConnection,
    name: &RepositoryName,
) -> Result<bool, StorageError> {
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(RAISE_GENERATION_OF).bind(name.as_str()).execute(connection).await?;
    Ok(true)
}
