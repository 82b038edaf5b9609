//! Manifests: their bytes, what they refer to, and the tags that point to them.

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::statement::statements;
use super::{SqliteMetadata, put, referrers, repositories, row};
use crate::domain::{Digest, Hasher, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::metadata::{Manifests, NewManifest, PageLimit, PutOutcome, ReferrerList, StoredManifest};

statements! {
    BY_DIGEST = "SELECT r.generation, m.digest, m.media_type, m.content FROM repositories r
        JOIN manifests m ON m.repository_id = r.id
        WHERE r.name = $1 AND m.digest = $2";
    BY_TAG = "SELECT r.generation, m.digest, m.media_type, m.content FROM repositories r
        JOIN tags t ON t.repository_id = r.id
        JOIN manifests m ON m.id = t.manifest_id
        WHERE r.name = $1 AND t.name = $2";
    /// The tags that point to it and its references go with it.
    DELETE = "DELETE FROM manifests WHERE repository_id = (SELECT id FROM repositories WHERE name = $1) AND digest = $2";
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
                let query = sqlx::query(DELETE).bind(repository.as_str()).bind(digest);
                let deleted = query.execute(&mut *connection).await?;
                repositories::raise_generation_if(&deleted, connection, &repository).await
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
        limit: PageLimit,
    ) -> Result<ReferrerList, StorageError> {
        referrers::list(&self.readers, repository, subject, artifact_type, after, limit).await
    }

    async fn among_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        candidates: &[Digest],
    ) -> Result<Vec<Digest>, StorageError> {
        referrers::among(&self.readers, repository, subject, candidates).await
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
    Ok(StoredManifest {
        digest,
        media_type: row::parsed(found, "media_type")?,
        content: Bytes::from(content),
        generation: found.try_get("generation")?,
    })
}
