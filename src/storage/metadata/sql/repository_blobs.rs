//! Blobs and the repositories that have them.

use std::time::Duration;

use async_trait::async_trait;

use super::collection::{NO_REPOSITORY, enqueue};
use super::engine::{Engine, Session, only};
use super::quotas::charge;
use super::row::Columns;
use super::statement::statements;
use super::value::{after, stored, values};
use super::{SqlMetadata, Written, holds, immutable, repositories, uploads};
use crate::domain::{Digest, NameRange, RepositoryName, TagProtection, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{BlobRecord, LinkedBlob, RepositoryBlobs, ReviewKind};

statements! {
    FIND = "SELECT r.generation, b.size, b.key, b.lease_until FROM repositories r
        JOIN repository_blobs l ON l.repository_id = r.id
        JOIN blobs b ON b.id = l.blob_id
        WHERE r.name = $1 AND b.digest = $2 AND b.damaged = 0";
    /// A known blob keeps its key, unless its length differs or its content is damaged; its lease only ever grows, and it is not deleted any more.
    RECORD = "INSERT INTO blobs (digest, size, key, lease_until, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (digest) DO UPDATE SET
            key = CASE WHEN blobs.size = excluded.size AND blobs.damaged = 0 THEN blobs.key ELSE excluded.key END,
            verified_at = CASE WHEN blobs.damaged = 0 THEN blobs.verified_at ELSE 0 END,
            damaged = 0,
            size = excluded.size,
            lease_until = CASE WHEN blobs.lease_until > excluded.lease_until THEN blobs.lease_until ELSE excluded.lease_until END,
            state = 0
        RETURNING id, key";
    /// As [`RECORD`], for a row that must be there: it stays until the end of the transaction.
    KEEP_KNOWN = "UPDATE blobs SET state = 0, lease_until = CASE WHEN lease_until > $3 THEN lease_until ELSE $3 END
        WHERE digest = $1 AND key = $2 AND damaged = 0 RETURNING id";
    REPLACE_KEY = "UPDATE blobs SET key = $3, size = $4 WHERE digest = $1 AND key = $2";
    STORED = "SELECT key, size FROM blobs WHERE digest = $1 AND damaged = 0";
    KEY = "SELECT key FROM blobs WHERE digest = $1";
    LINK = "INSERT INTO repository_blobs (repository_id, blob_id, repository_name) VALUES ($1, $2, $3)
        ON CONFLICT (repository_id, blob_id) DO NOTHING";
    /// The blob's row where the repository has it, leased.
    LEASE_OF_REPOSITORY = "UPDATE blobs SET state = 0, lease_until = CASE WHEN lease_until > $3 THEN lease_until ELSE $3 END
        WHERE digest = $2 AND damaged = 0 AND EXISTS (SELECT 1 FROM repositories r JOIN repository_blobs l ON l.repository_id = r.id
            WHERE r.name = $1 AND l.blob_id = blobs.id)
        RETURNING id";
    /// An index that was put before what it lists gets its references now (where that is a blob; manifests are found by digest).
    REFER_FROM_PARENTS = "INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id)
        SELECT c.manifest_id, CAST($2 AS BIGINT), c.repository_id FROM manifest_children c
        WHERE c.repository_id = $1 AND c.digest = (SELECT digest FROM blobs WHERE id = $2)
        ON CONFLICT (manifest_id, blob_id) DO NOTHING
        RETURNING (SELECT m.digest FROM manifests m WHERE m.id = manifest_blobs.manifest_id AND m.trash_id IS NULL) AS digest";
    /// The same steps whether the blob exists or not: how long it takes tells nothing of other repositories.
    REPOSITORY = "SELECT l.repository_name FROM repository_blobs l
        WHERE l.blob_id = COALESCE((SELECT id FROM blobs WHERE digest = $1), -1)
            AND l.repository_name >= $2 AND l.repository_name < $3 ORDER BY l.repository_name LIMIT 1";
    UNLINK = "DELETE FROM repository_blobs WHERE repository_id = $1 AND blob_id = (SELECT id FROM blobs WHERE digest = $2)";
}

#[async_trait]
impl<E: Engine> RepositoryBlobs for SqlMetadata<E> {
    async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<LinkedBlob>, StorageError> {
        let Some(found) = self.engine.first(FIND, values![repository, digest]).await? else { return Ok(None) };
        let blob = BlobRecord { digest: digest.clone(), size: found.unsigned("size")?, key: key(&found)? };
        let (generation, leased_until) = (found.integer("generation")?, found.integer("lease_until")?);
        Ok(Some(LinkedBlob { blob, generation, leased_until }))
    }

    async fn link_blob(
        &self,
        repository: &RepositoryName,
        blob: BlobRecord,
        finished: Option<(UploadId, u64)>,
        lease: Duration,
    ) -> Result<Option<BlobKey>, StorageError> {
        let (repository, now) = (repository.clone(), self.clock.seconds());
        self.write(move |session| {
            Box::pin(async move {
                let existing = repositories::lock(session, &repository).await?;
                if let Some((upload, length)) = finished
                    && !uploads::finish(session, upload, length).await?
                    && !is_known(session, &blob).await?
                {
                    return Ok(Written::without_effects(None));
                }
                let (key, effects) = record(session, (existing, repository), &blob, (now, after(now, lease))).await?;
                Ok(Written::with(effects, Some(key)))
            })
        })
        .await
    }

    async fn link_known_blob(
        &self,
        repository: &RepositoryName,
        blob: BlobRecord,
        finished: Option<(UploadId, u64)>,
        lease: Duration,
    ) -> Result<bool, StorageError> {
        let (repository, now) = (repository.clone(), self.clock.seconds());
        let until = after(now, lease);
        self.write(move |session| {
            Box::pin(async move {
                let existing = repositories::lock(session, &repository).await?;
                // Before the session is ended, which it is not where the blob is gone.
                let Some(kept) = session.first(KEEP_KNOWN, values![&blob.digest, blob.key.0, until]).await? else {
                    return Ok(Written::without_effects(false));
                };
                if let Some((upload, length)) = finished {
                    uploads::finish(session, upload, length).await?;
                }
                let row = (kept.integer("id")?, &blob.digest);
                let effects = link(session, (existing, repository), row, (now, until)).await?;
                Ok(Written::with(effects, true))
            })
        })
        .await
    }

    async fn stored_blob(&self, digest: &Digest) -> Result<Option<BlobRecord>, StorageError> {
        let Some(found) = self.engine.first(STORED, values![digest]).await? else { return Ok(None) };
        Ok(Some(BlobRecord { digest: digest.clone(), size: found.unsigned("size")?, key: key(&found)? }))
    }

    async fn replace_blob_key(&self, blob: BlobRecord, lost: BlobKey) -> Result<BlobKey, StorageError> {
        self.write(move |session| {
            Box::pin(async move {
                session.run(REPLACE_KEY, values![&blob.digest, lost.0, blob.key.0, stored(blob.size)?]).await?;
                Ok(Written::without_effects(key(&only(session, KEY, values![&blob.digest]).await?)?))
            })
        })
        .await
    }

    async fn mount_blob(
        &self,
        from: &RepositoryName,
        to: &RepositoryName,
        digest: &Digest,
        lease: Duration,
    ) -> Result<bool, StorageError> {
        let now = self.clock.seconds();
        let (to, values, digest) = (to.clone(), values![from, digest, after(now, lease)], digest.clone());
        self.write(move |session| {
            Box::pin(async move {
                let existing = repositories::lock(session, &to).await?;
                let Some(leased) = session.first(LEASE_OF_REPOSITORY, values).await? else {
                    return Ok(Written::without_effects(false));
                };
                let row = (leased.integer("id")?, &digest);
                let effects = link(session, (existing, to), row, (now, after(now, lease))).await?;
                Ok(Written::with(effects, true))
            })
        })
        .await
    }

    async fn lease_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lease: Duration,
    ) -> Result<bool, StorageError> {
        let values = values![repository, digest, after(self.clock.seconds(), lease)];
        self.write(move |session| {
            Box::pin(async move {
                Ok(Written::without_effects(session.first(LEASE_OF_REPOSITORY, values).await?.is_some()))
            })
        })
        .await
    }

    async fn repository_with_blob(
        &self,
        digest: &Digest,
        within: &NameRange,
    ) -> Result<Option<RepositoryName>, StorageError> {
        let found = self.engine.first(REPOSITORY, values![digest, within.start(), within.end()]).await?;
        found.map(|found| found.parsed("repository_name")).transpose()
    }

    async fn unlink_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        protection: &TagProtection,
    ) -> Result<bool, StorageError> {
        let (repository, digest, now) = (repository.clone(), digest.clone(), self.clock.seconds());
        let protection = protection.clone();
        self.write(move |session| {
            Box::pin(async move {
                let Some(id) = repositories::lock(session, &repository).await? else {
                    return Ok(Written::without_effects(false));
                };
                holds::require_free_blob(session, (id, &repository), &digest).await?;
                immutable::require_mutable_blob(session, (id, &digest), (&protection, now)).await?;
                let is_unlinked = session.run(UNLINK, values![id, &digest]).await? > 0;
                if is_unlinked {
                    enqueue::one(session, ReviewKind::Blob, NO_REPOSITORY, &digest, now).await?;
                }
                Ok(Written::if_changed(is_unlinked, Effects::changes(repository)))
            })
        })
        .await
    }
}

fn key<R: Columns>(found: &R) -> Result<BlobKey, StorageError> {
    Ok(BlobKey(found.text("key")?.to_owned()))
}

/// Whether the blob has this key: its session was finished by the same request, sent twice.
async fn is_known<S: Session>(session: &mut S, blob: &BlobRecord) -> Result<bool, StorageError> {
    let found = session.first(KEY, values![&blob.digest]).await?;
    found.map_or(Ok(false), |found| Ok(key(&found)? == blob.key))
}

/// The manifest that refers to the blob now, unless it is in the trash.
fn parent<R: Columns>(found: &R) -> Result<Option<Digest>, StorageError> {
    found.optional_text("digest")?.map(|_| found.parsed("digest")).transpose()
}

/// Records a published blob and links it to the repository, which was looked for; returns the key that counts.
pub(super) async fn record<S: Session>(
    session: &mut S,
    repository: (Option<i64>, RepositoryName),
    blob: &BlobRecord,
    (now, leased_until): (i64, i64),
) -> Result<(BlobKey, Effects), StorageError> {
    let values = values![&blob.digest, stored(blob.size)?, blob.key.0.as_str(), leased_until, now];
    let recorded = only(session, RECORD, values).await?;
    let row = (recorded.integer("id")?, &blob.digest);
    let effects = link(session, repository, row, (now, leased_until)).await?;
    Ok((key(&recorded)?, effects))
}

/// Links the blob to the repository, which was looked for, where it is not linked yet.
pub(super) async fn link<S: Session>(
    session: &mut S,
    (existing, repository): (Option<i64>, RepositoryName),
    (blob, digest): (i64, &Digest),
    (now, leased_until): (i64, i64),
) -> Result<Effects, StorageError> {
    let id = match existing {
        Some(id) => id,
        None => repositories::create(session, &repository, now).await?,
    };
    let is_new = session.run(LINK, values![id, blob, &repository]).await? > 0;
    if is_new {
        enqueue::one(session, ReviewKind::Link, id, digest, leased_until).await?;
    }
    let parents = session.all(REFER_FROM_PARENTS, values![id, blob]).await?;
    if !parents.is_empty() {
        let parents = parents.iter().map(parent).collect::<Result<Vec<_>, _>>()?;
        let parents: Vec<Digest> = parents.into_iter().flatten().collect();
        charge::admit_blob(session, id, &parents, blob).await?;
    }
    Ok(if is_new { Effects::adds_to(repository) } else { Effects::NONE })
}
