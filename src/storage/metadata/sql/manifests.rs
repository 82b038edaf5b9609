//! Manifests: their bytes, what they refer to, and the tags that point to them.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::collection::enqueue;
use super::engine::{Engine, Session};
use super::put_manifest::{self, Times};
use super::quotas::charge;
use super::row::Columns;
use super::statement::statements;
use super::value::{after, values};
use super::{SqlMetadata, referrers, trash};
use crate::domain::{Digest, Hasher, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::metadata::{Change, Manifests, NewManifest, PageLimit, PutOutcome, ReferrerList, StoredManifest};

statements! {
    BY_DIGEST = "SELECT r.generation, m.digest, m.media_type, m.content FROM repositories r
        JOIN manifests m ON m.repository_id = r.id
        WHERE r.name = $1 AND m.digest = $2 AND m.trash_id IS NULL";
    BY_TAG = "SELECT r.generation, m.digest, m.media_type, m.content FROM repositories r
        JOIN tags t ON t.repository_id = r.id
        JOIN manifests m ON m.id = t.manifest_id
        WHERE r.name = $1 AND t.name = $2";
    /// The tags that point to it and its references go with it.
    DELETE = "DELETE FROM manifests WHERE id = $1";
}

#[async_trait]
impl<E: Engine> Manifests for SqlMetadata<E> {
    async fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<StoredManifest>, StorageError> {
        self.engine.first(BY_DIGEST, values![repository, digest]).await?.as_ref().map(read).transpose()
    }

    async fn manifest_by_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Option<StoredManifest>, StorageError> {
        self.engine.first(BY_TAG, values![repository, tag]).await?.as_ref().map(read).transpose()
    }

    async fn put_manifest(
        &self,
        repository: &RepositoryName,
        manifest: NewManifest,
        lease: Duration,
        change: &Change,
    ) -> Result<PutOutcome, StorageError> {
        let (repository, change, now) = (repository.clone(), change.clone(), self.clock.seconds());
        let times = Times { now, leased_until: after(now, lease) };
        self.write(move |session| Box::pin(put_manifest::put(session, repository, manifest, times, change))).await
    }

    async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        change: &Change,
    ) -> Result<bool, StorageError> {
        let (what, change) = ((repository.clone(), digest.clone()), (change.clone(), self.clock.seconds()));
        self.write(move |session| Box::pin(trash::discard::manifest(session, what, change))).await
    }

    async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        limit: PageLimit,
    ) -> Result<ReferrerList, StorageError> {
        referrers::list(&self.engine, repository, subject, artifact_type, after, limit).await
    }

    async fn among_referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        candidates: &[Digest],
    ) -> Result<Vec<Digest>, StorageError> {
        referrers::among(&self.engine, repository, subject, candidates).await
    }
}

/// Deletes a manifest's row, with its references and tags; what it kept is reviewed. `since` is when the first reference of the cascade was
/// dropped.
pub(super) async fn delete<S: Session>(
    session: &mut S,
    repository: i64,
    (id, digest): (i64, &Digest),
    since: i64,
) -> Result<(), StorageError> {
    charge::release(session, repository, (id, digest)).await?;
    enqueue::kept_by_manifest(session, repository, (id, digest), since).await?;
    session.run(DELETE, values![id]).await?;
    Ok(())
}

/// What is served under a digest has that digest, whatever happened to the disk.
fn read<R: Columns>(found: &R) -> Result<StoredManifest, StorageError> {
    let digest: Digest = found.parsed("digest")?;
    let content = found.bytes("content")?;
    if Hasher::digest(digest.algorithm(), &content) != digest {
        return Err(StorageError::Damaged(format!(
            "the stored manifest {digest} has other bytes than its digest says"
        )));
    }
    Ok(StoredManifest {
        digest,
        media_type: found.parsed("media_type")?,
        content: Bytes::from(content),
        generation: found.integer("generation")?,
    })
}
