//! Upload sessions.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::statement::statements;
use super::{SqliteMetadata, now, row};
use crate::domain::{Algorithm, RepositoryName, UploadId};
use crate::storage::StorageError;
use crate::storage::metadata::{UploadRecord, Uploads};

statements! {
    CREATE = "INSERT INTO uploads (id, repository, subject, owner, algorithm, length, updated_at, hash_state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    /// A row where the owner has more than $2 sessions: read from the index, and no further than that.
    MORE_THAN = "SELECT 1 FROM uploads WHERE owner = $1 LIMIT 1 OFFSET $2";
    FIND = "SELECT owner, algorithm, length, hash_state, updated_at FROM uploads WHERE id = $1 AND repository = $2 AND subject = $3";
    EXISTS = "SELECT 1 FROM uploads WHERE id = $1";
    SAVE = "UPDATE uploads SET algorithm = $2, length = $3, hash_state = $4, updated_at = $5 WHERE id = $1";
    DELETE = "DELETE FROM uploads WHERE id = $1";
    STALE = "SELECT id FROM uploads WHERE updated_at < $1 ORDER BY updated_at LIMIT $2 OFFSET $3";
    DELETE_STALE = "DELETE FROM uploads WHERE id IN (SELECT j.value FROM json_each($1) AS j) AND updated_at < $2 RETURNING id";
}

#[async_trait]
impl Uploads for SqliteMetadata {
    async fn create_upload(&self, upload: UploadRecord, limit: u32) -> Result<bool, StorageError> {
        self.write(move |connection| {
            Box::pin(async move {
                let most = i64::from(limit) - 1;
                let full =
                    sqlx::query(MORE_THAN).bind(&upload.owner).bind(most).fetch_optional(&mut *connection).await?;
                if limit == 0 || full.is_some() {
                    return Ok(false);
                }
                sqlx::query(CREATE)
                    .bind(upload.id.to_string())
                    .bind(upload.repository.as_str())
                    .bind(upload.subject)
                    .bind(upload.owner)
                    .bind(upload.algorithm.as_str())
                    .bind(row::stored(upload.length)?)
                    .bind(now())
                    .bind(upload.hash_state)
                    .execute(connection)
                    .await?;
                Ok(true)
            })
        })
        .await
    }

    async fn upload(
        &self,
        repository: &RepositoryName,
        subject: &str,
        id: UploadId,
    ) -> Result<Option<UploadRecord>, StorageError> {
        let found = sqlx::query(FIND)
            .bind(id.to_string())
            .bind(repository.as_str())
            .bind(subject)
            .fetch_optional(&self.readers)
            .await?;
        let Some(found) = found else { return Ok(None) };
        Ok(Some(UploadRecord {
            id,
            repository: repository.clone(),
            subject: subject.to_owned(),
            owner: found.try_get("owner")?,
            algorithm: row::parsed(&found, "algorithm")?,
            length: row::unsigned(&found, "length")?,
            hash_state: found.try_get("hash_state")?,
            updated_at: found.try_get("updated_at")?,
        }))
    }

    async fn save_upload(
        &self,
        id: UploadId,
        algorithm: Algorithm,
        length: u64,
        hash_state: Vec<u8>,
    ) -> Result<bool, StorageError> {
        self.write(move |connection| {
            Box::pin(async move {
                let saved = sqlx::query(SAVE)
                    .bind(id.to_string())
                    .bind(algorithm.as_str())
                    .bind(row::stored(length)?)
                    .bind(hash_state)
                    .bind(now())
                    .execute(connection)
                    .await?;
                Ok(saved.rows_affected() > 0)
            })
        })
        .await
    }

    async fn delete_upload(&self, id: UploadId) -> Result<bool, StorageError> {
        self.write(move |connection| Box::pin(delete(connection, id))).await
    }

    async fn upload_exists(&self, id: UploadId) -> Result<bool, StorageError> {
        Ok(sqlx::query(EXISTS).bind(id.to_string()).fetch_optional(&self.readers).await?.is_some())
    }

    async fn stale_uploads(&self, before: i64, skip: u32, limit: u32) -> Result<Vec<UploadId>, StorageError> {
        let stale = sqlx::query(STALE).bind(before).bind(i64::from(limit)).bind(i64::from(skip));
        stale.fetch_all(&self.readers).await?.iter().map(|found| row::parsed(found, "id")).collect()
    }

    async fn delete_stale_uploads(&self, before: i64, ids: Vec<UploadId>) -> Result<Vec<UploadId>, StorageError> {
        self.write(move |connection| {
            Box::pin(async move {
                let deleted = sqlx::query(DELETE_STALE).bind(row::list(ids)).bind(before).fetch_all(connection).await?;
                deleted.iter().map(|found| row::parsed(found, "id")).collect()
            })
        })
        .await
    }
}

/// Ends a session; `false` where it is gone.
pub(super) async fn delete(connection: &mut SqliteConnection, id: UploadId) -> Result<bool, StorageError> {
    Ok(sqlx::query(DELETE).bind(id.to_string()).execute(connection).await?.rows_affected() > 0)
}
