//! Blobs and the repositories that have them.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::statement::statements;
use super::{SqliteMetadata, now, repositories, row, uploads};
use crate::domain::{Digest, NameRange, RepositoryName, UploadId};
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
    /// An index that was put before what it lists gets its references now (where that is a blob; manifests are found by digest).
    REFER_FROM_PARENTS = "INSERT INTO manifest_blobs (manifest_id, blob_id)
        SELECT c.manifest_id, $2 FROM manifest_children c
        WHERE c.repository_id = $1 AND c.digest = (SELECT digest FROM blobs WHERE id = $2)
        ON CONFLICT (manifest_id, blob_id) DO NOTHING";
    /// The same steps whether the blob exists or not: how long it takes tells nothing of other repositories.
    pub(super) REPOSITORY = "SELECT l.repository_name FROM repository_blobs l
        WHERE l.blob_id = COALESCE((SELECT id FROM blobs WHERE digest = $1), -1)
            AND l.repository_name >= $2 AND l.repository_name < $3 ORDER BY l.repository_name LIMIT 1";
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

    async fn repository_with_blob(
        &self,
        digest: &Digest,
        within: &NameRange,
    ) -> Result<Option<RepositoryName>, StorageError> {
        let found = sqlx::query(REPOSITORY)
            .bind(digest.to_string())
            .bind(within.start())
            .bind(within.end())
            .fetch_optional(&self.readers)
            .await?;
        found.map(|found| row::parsed(&found, "repository_name")).transpose()
    }

    async fn unlink_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool, StorageError> {
        let (repository, digest) = (repository.clone(), digest.to_string());
        self.write(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(UNLINK).bind(repository.as_str()).bind(digest);
                let unlinked = query.execute(&mut *connection).await?;
                repositories::raise_generation_if(&unlinked, connection, &repository).await
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
    sqlx::query(LINK).bind(id).bind(blob).bind(repository.as_str()).execute(&mut *connection).await?;
    sqlx::query(REFER_FROM_PARENTS).bind(id).bind(blob).execute(connection).await?;
    Ok(())
}
