//! Manifests: their bytes, what they refer to, and the tags that point to them.

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::statement::statements;
use super::{SqliteMetadata, put, row};
use crate::domain::{Digest, Hasher, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::metadata::{Manifests, NewManifest, PutOutcome, ReferrerRecord, StoredManifest};

statements! {
    BY_DIGEST = "SELECT m.digest, m.media_type, m.content FROM repositories r
        JOIN manifests m ON m.repository_id = r.id
        WHERE r.name = $1 AND m.digest = $2";
    BY_TAG = "SELECT m.digest, m.media_type, m.content FROM repositories r
        JOIN tags t ON t.repository_id = r.id
        JOIN manifests m ON m.id = t.manifest_id
        WHERE r.name = $1 AND t.name = $2";
    /// The tags that point to it and its references go with it.
    DELETE = "DELETE FROM manifests WHERE repository_id = (SELECT id FROM repositories WHERE name = $1) AND digest = $2";
    REFERRERS = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations FROM repositories r
        JOIN manifests m ON m.repository_id = r.id
        WHERE r.name = $1 AND m.subject = $2 AND m.digest > $3 ORDER BY m.digest LIMIT $4";
    REFERRERS_OF_TYPE = "SELECT m.digest, m.media_type, m.size, m.artifact_type, m.annotations FROM repositories r
        JOIN manifests m ON m.repository_id = r.id
        WHERE r.name = $1 AND m.subject = $2 AND m.digest > $3 AND m.artifact_type = $5 ORDER BY m.digest LIMIT $4";
}

#[async_trait]
impl Manifests for SqliteMetadata {
    async fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>, StorageError> {
        let query = sqlx::query(BY_DIGEST).bind(repository.as_str()).bind(digest.to_string());
        query.fetch_optional(&self.readers).await?.as_ref().map(read).transpose()
    }

    async fn manifest_by_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<StoredManifest>, StorageError> {
        let query = sqlx::query(BY_TAG).bind(repository.as_str()).bind(tag.as_str());
        query.fetch_optional(&self.readers).await?.as_ref().map(read).transpose()
    }

    async fn put_manifest(
        &self,
        repository: &RepositoryName,
        manifest: NewManifest,
    ) -> Result<PutOutcome, StorageError> {
        let repository = repository.clone();
        self.write(move |connection| Box::pin(put::put(connection, repository, manifest))).await
    }

    async fn delete_manifest(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool, StorageError> {
        let (repository, digest) = (repository.clone(), digest.to_string());
        self.write(move |connection| {
            Box::pin(async move {
                let deleted = sqlx::query(DELETE).bind(repository.as_str()).bind(digest).execute(connection).await?;
                Ok(deleted.rows_affected() > 0)
            })
        })
        .await
    }

    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        limit: u32,
    ) -> Result<Vec<ReferrerRecord>, StorageError> {
        let query = sqlx::query(if artifact_type.is_some() { REFERRERS_OF_TYPE } else { REFERRERS })
            .bind(repository.as_str())
            .bind(subject.to_string())
            .bind(after.map(Digest::to_string).unwrap_or_default())
            .bind(i64::from(limit));
        let query = match artifact_type {
            Some(artifact_type) => query.bind(artifact_type),
            None => query,
        };
        query.fetch_all(&self.readers).await?.iter().map(read_referrer).collect()
    }
}

/// What is served under a digest has that digest, whatever happened to the disk.
fn read(found: &SqliteRow) -> Result<StoredManifest, StorageError> {
    let digest: Digest = row::parsed(found, "digest")?;
    let content: Vec<u8> = found.try_get("content")?;
    if Hasher::digest(digest.algorithm(), &content) != digest {
        return Err(StorageError::Damaged(format!(
            "the stored manifest {digest} has other bytes than its digest says"
        )));
    }
    Ok(StoredManifest { digest, media_type: row::parsed(found, "media_type")?, content: Bytes::from(content) })
}

fn read_referrer(found: &SqliteRow) -> Result<ReferrerRecord, StorageError> {
    Ok(ReferrerRecord {
        digest: row::parsed(found, "digest")?,
        media_type: row::parsed(found, "media_type")?,
        size: row::unsigned(found, "size")?,
        artifact_type: found.try_get("artifact_type")?,
        annotations: found.try_get("annotations")?,
    })
}
