//! Repositories: rows that come into being with their first content.

use async_trait::async_trait;

use super::engine::{Engine, Session, only};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written};
use crate::domain::{AccountName, NameRange, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{Repositories, RepositorySummary};

statements! {
    LIST = "SELECT name FROM repositories WHERE name > $1 ORDER BY name LIMIT $2";
    BELOW = "SELECT name FROM repositories WHERE name > $1 AND name < $2 ORDER BY name LIMIT 10";
    FIND = "SELECT id FROM repositories WHERE name = $1";
    BETWEEN = "SELECT name FROM repositories WHERE name >= $1 AND name < $2 ORDER BY name LIMIT $3";
    CREATE = "INSERT INTO repositories (name, created_at, generation)
        SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), last_generation + 1 FROM meta WHERE id = 1 RETURNING id";
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
impl<E: Engine> Repositories for SqlMetadata<E> {
    async fn repositories(&self, after: Option<&str>, limit: u32) -> Result<Vec<RepositoryName>, StorageError> {
        names(&self.engine.all(LIST, values![after.unwrap_or_default(), limit]).await?)
    }

    async fn repositories_within(
        &self,
        range: &NameRange,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, StorageError> {
        names(&self.engine.all(BETWEEN, values![range.start_after(after), range.end(), limit]).await?)
    }

    async fn repository_exists(&self, name: &RepositoryName) -> Result<bool, StorageError> {
        Ok(self.engine.first(FIND, values![name]).await?.is_some())
    }

    async fn repository_summary(&self, name: &RepositoryName) -> Result<Option<RepositorySummary>, StorageError> {
        let Some(found) = self.engine.first(SUMMARY, values![name]).await? else { return Ok(None) };
        Ok(Some(RepositorySummary {
            name: name.clone(),
            tags: found.unsigned("tags")?,
            manifests: found.unsigned("manifests")?,
            blobs: found.unsigned("blobs")?,
            bytes: found.unsigned("bytes")?,
            created_at: found.integer("created_at")?,
        }))
    }

    async fn remove_repository(&self, name: &RepositoryName) -> Result<bool, StorageError> {
        let name = name.clone();
        self.write(move |session| {
            Box::pin(async move {
                session.run(KEEP_GENERATION, values![&name]).await?;
                // Tags, manifests, references and links go with the row, and so does its generation: every cache sees that.
                let removed = session.run(REMOVE, values![&name]).await? > 0;
                if removed {
                    session.run(REMOVE_UPLOADS, values![&name]).await?;
                }
                Ok(Written::without_effects(removed))
            })
        })
        .await
    }
}

fn names<R: Columns>(rows: &[R]) -> Result<Vec<RepositoryName>, StorageError> {
    rows.iter().map(|found| found.parsed("name")).collect()
}

/// The first repositories of `NAME/**`.
pub(super) async fn below<S: Session>(
    session: &mut S,
    name: &AccountName,
) -> Result<Vec<RepositoryName>, StorageError> {
    // '0' follows '/'.
    names(&session.all(BELOW, values![format!("{name}/"), format!("{name}0")]).await?)
}

/// The repository's row.
pub(super) async fn find<S: Session>(session: &mut S, name: &RepositoryName) -> Result<Option<i64>, StorageError> {
    session.first(FIND, values![name]).await?.map(|found| found.integer("id")).transpose()
}

/// The repository's row, made where it is missing.
pub(super) async fn ensure<S: Session>(session: &mut S, name: &RepositoryName, now: i64) -> Result<i64, StorageError> {
    match find(session, name).await? {
        Some(id) => Ok(id),
        None => create(session, name, now).await,
    }
}

/// A new row.
pub(super) async fn create<S: Session>(session: &mut S, name: &RepositoryName, now: i64) -> Result<i64, StorageError> {
    only(session, CREATE, values![name, now]).await?.integer("id")
}
