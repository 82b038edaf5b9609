//! Blobs and the repositories that have them.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::statement::statements;
use super::{SqliteMetadata, now, repositories, row, uploads};
use crate::domain::{Digest, RepositoryName, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;
use crate::storage::metadata::{BlobLinks, BlobRecord};

/// How long a blob that nothing refers to is safe from the collector after it was pushed or mounted, in seconds.
pub(super) const LEASE: i64 = 24 * 60 * 60;

statements! {
    FIND = "SELECT b.size, b.key FROM repositories r
        JOIN repository_blobs l ON l.repository_id = r.id
        JOIN blobs b ON b.id = l.blob_id
        WHERE r.name = $1 AND b.digest = $2";
    /// A known blob keeps its key, unless its length differs; its lease only ever grows, and it is not deleted any more.
    RECORD = "INSERT INTO blobs (digest, size, key, lease_until, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (digest) DO UPDATE SET
            key = CASE WHEN blobs.size = excluded.size THEN blobs.key ELSE excluded.key END,
            size = excluded.size,
            lease_until = CASE WHEN blobs.lease_until > excluded.lease_until THEN blobs.lease_until ELSE excluded.lease_until END,
            state = 0
        RETURNING id";
    LINK = "INSERT INTO repository_blobs (repository_id, blob_id, repository_name) VALUES ($1, $2, $3)
        ON CONFLICT (repository_id, blob_id) DO NOTHING";
    /// The blob's row where the repository has it, leased.
    LEASE_LINKED = "UPDATE blobs SET state = 0, lease_until = CASE WHEN lease_until > $3 THEN lease_until ELSE $3 END
        WHERE digest = $2 AND EXISTS (SELECT 1 FROM repositories r JOIN repository_blobs l ON l.repository_id = r.id
            WHERE r.name = $1 AND l.blob_id = blobs.id)
        RETURNING id";
    REPOSITORIES = "SELECT l.repository_name FROM blobs b JOIN repository_blobs l ON l.blob_id = b.id
        WHERE b.digest = $1 AND l.repository_name > $2 ORDER BY l.repository_name LIMIT $3";
    UNLINK = "DELETE FROM repository_blobs WHERE repository_id = (SELECT id FROM repositories WHERE name = $1)
        AND blob_id = (SELECT id FROM blobs WHERE digest = $2)";
}

#[async_trait]
impl BlobLinks for SqliteMetadata {
    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<BlobRecord>, StorageError> {
        let found =
            sqlx::query(FIND).bind(repository.as_str()).bind(digest.to_string()).fetch_optional(&self.readers).await?;
        let Some(found) = found else { return Ok(None) };
        let size = row::unsigned(&found, "size")?;
        Ok(Some(BlobRecord { digest: digest.clone(), size, key: BlobKey(found.try_get("key")?) }))
    }

    async fn link_blob(
        &self,
        repository: &RepositoryName,
        blob: BlobRecord,
        finished: Option<UploadId>,
    ) -> Result<(), StorageError> {
        let repository = repository.clone();
        self.write(move |connection| {
            Box::pin(async move {
                let blob = record(connection, &blob).await?;
                link(connection, &repository, blob).await?;
                if let Some(upload) = finished {
                    uploads::delete(connection, upload).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn mount_blob(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: &Digest,
    ) -> Result<bool, StorageError> {
        let (from, to, digest) = (from.clone(), to.clone(), digest.to_string());
        self.write(move |connection| {
            Box::pin(async move {
                let leased = sqlx::query(LEASE_LINKED)
                    .bind(from.as_str())
                    .bind(digest)
                    .bind(now() + LEASE)
                    .fetch_optional(&mut *connection)
                    .await?;
                let Some(blob) = leased else { return Ok(false) };
                link(connection, &to, blob.try_get(0)?).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn repositories_with_blob(
        &self,
        digest: &Digest,
        after: Option<&RepositoryName>,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, StorageError> {
        let rows = sqlx::query(REPOSITORIES)
            .bind(digest.to_string())
            .bind(after.map(RepositoryName::as_str).unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|found| row::parsed(found, "repository_name")).collect()
    }

    async fn unlink_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool, StorageError> {
        let (repository, digest) = (repository.clone(), digest.to_string());
        self.write(move |connection| {
            Box::pin(async move {
                let unlinked = sqlx::query(UNLINK).bind(repository.as_str()).bind(digest).execute(connection).await?;
                Ok(unlinked.rows_affected() > 0)
            })
        })
        .await
    }
}

async fn record(connection: &mut SqliteConnection, blob: &BlobRecord) -> Result<i64, StorageError> {
    let now = now();
    let recorded = sqlx::query(RECORD)
        .bind(blob.digest.to_string())
        .bind(row::stored(blob.size)?)
        .bind(&blob.key.0)
        .bind(now + LEASE)
        .bind(now)
        .fetch_one(connection)
        .await?;
    Ok(recorded.try_get(0)?)
}

async fn link(connection: &mut SqliteConnection, repository: &RepositoryName, blob: i64) -> Result<(), StorageError> {
    let id = repositories::ensure(connection, repository).await?;
    sqlx::query(LINK).bind(id).bind(blob).bind(repository.as_str()).execute(connection).await?;
    Ok(())
}
