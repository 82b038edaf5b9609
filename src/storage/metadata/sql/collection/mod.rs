//! The collector's queue: how it is filled, claimed, reviewed, and emptied.

pub(super) mod enqueue;
mod forecast;
mod guard;
mod review;

pub(super) use review::is_manifest_needed;

use std::time::Duration;

use async_trait::async_trait;

use super::engine::{Engine, Session, row_missing};
use super::row::Columns;
use super::statement::statements;
use super::value::{after, list, stored, values};
use super::{SqlMetadata, Written, repositories};
use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;
use crate::storage::metadata::{
    Collection, CollectionForecast, CollectionStatus, DoomedContent, Review, ReviewKind, Reviewed,
};

statements! {
    CLAIM = "UPDATE collection_queue SET claimed_until = $4
        WHERE kind = $1 AND claimed_until <= $3 AND (repository_id, digest) IN (
            SELECT q.repository_id, q.digest FROM collection_queue q
            WHERE q.kind = $1 AND q.review_after <= $2 AND q.claimed_until <= $3 ORDER BY q.review_after LIMIT $5)
        RETURNING repository_id, digest, review_after, changes";
    /// None while a backup copies contents.
    CLAIM_DOOMED = "UPDATE doomed_contents SET claimed_until = $2
        WHERE claimed_until <= $1 AND NOT EXISTS (SELECT 1 FROM backup_pins p WHERE p.until > $1) AND key IN (
            SELECT d.key FROM doomed_contents d WHERE d.claimed_until <= $1 ORDER BY d.since LIMIT $3)
        RETURNING key, digest, size";
    WAITS = "SELECT q.review_after FROM collection_queue q WHERE q.kind = 0 AND q.digest = $2
        AND q.repository_id = (SELECT id FROM repositories WHERE name = $1)";
    HAS_MANIFEST = "SELECT 1 AS found FROM manifests WHERE repository_id = $1 AND digest = $2";
    KEY_OF = "SELECT 1 AS used FROM blobs WHERE digest = $1 AND key = $2";
    FORGET_DOOMED = "DELETE FROM doomed_contents WHERE key IN (SELECT j.value FROM json_each($1) j)";
    COUNT_FREED = "UPDATE collection_totals SET freed_bytes = freed_bytes + $1, freed_at = $2 WHERE id = 1";
    WAITING = "SELECT COUNT(*) AS waiting, MIN(review_after) AS oldest FROM collection_queue WHERE kind = $1";
    DOOMED = "SELECT COUNT(*) AS contents, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes FROM doomed_contents";
    TOTALS = "SELECT manifests, links, blobs, freed_bytes, freed_at FROM collection_totals WHERE id = 1";
}

/// The repository of entries about blobs.
pub(super) const NO_REPOSITORY: i64 = 0;

/// Every statement of this folder.
#[cfg(test)]
pub(super) const ALL_OF_FOLDER: [&[(&str, &str)]; 5] = [ALL, enqueue::ALL, forecast::ALL, guard::ALL, review::ALL];

impl ReviewKind {
    /// As it is stored.
    fn number(self) -> i64 {
        match self {
            Self::Manifest => 0,
            Self::Link => 1,
            Self::Blob => 2,
            Self::Removal => 3,
        }
    }
}

#[async_trait]
impl<E: Engine> Collection for SqlMetadata<E> {
    async fn claim_reviews(
        &self,
        kind: ReviewKind,
        delay: Duration,
        claim: Duration,
        limit: u32,
    ) -> Result<Vec<Review>, StorageError> {
        let now = self.clock.seconds();
        let dropped_before = now.saturating_sub(after(0, delay));
        let values = values![kind.number(), dropped_before, now, after(now, claim), limit];
        self.write(move |session| {
            Box::pin(async move {
                let claimed = session.all(CLAIM, values).await?;
                let mut reviews = claimed.iter().map(|found| read(kind, found)).collect::<Result<Vec<_>, _>>()?;
                reviews.sort_by_key(|review| review.since);
                Ok(Written::without_effects(reviews))
            })
        })
        .await
    }

    async fn review(&self, review: Review) -> Result<Reviewed, StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| Box::pin(review::review(session, review, now))).await
    }

    async fn postpone_review(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lease: Duration,
    ) -> Result<bool, StorageError> {
        let until = after(self.clock.seconds(), lease);
        let Some(waits) = self.engine.first(WAITS, values![repository, digest]).await? else { return Ok(true) };
        if waits.integer("review_after")? >= until {
            return Ok(true);
        }
        let (repository, digest) = (repository.clone(), digest.clone());
        self.write(move |session| {
            Box::pin(async move {
                // As the review does, so that either sees what the other has done.
                let Some(id) = repositories::lock(session, &repository).await? else {
                    return Ok(Written::without_effects(false));
                };
                enqueue::postpone(session, id, &digest, until).await?;
                Ok(Written::without_effects(session.first(HAS_MANIFEST, values![id, &digest]).await?.is_some()))
            })
        })
        .await
    }

    async fn forecast_collection(&self, keep: Duration) -> Result<CollectionForecast, StorageError> {
        forecast::forecast(&self.engine, keep, self.clock.seconds()).await
    }

    async fn claim_doomed(&self, claim: Duration, limit: u32) -> Result<Vec<DoomedContent>, StorageError> {
        let now = self.clock.seconds();
        let values = values![now, after(now, claim), limit];
        self.write(move |session| {
            Box::pin(async move {
                let claimed = session.all(CLAIM_DOOMED, values).await?;
                Ok(Written::without_effects(claimed.iter().map(doomed).collect::<Result<_, _>>()?))
            })
        })
        .await
    }

    async fn is_in_use(&self, content: &DoomedContent) -> Result<bool, StorageError> {
        Ok(self.engine.first(KEY_OF, values![&content.digest, content.key.0.as_str()]).await?.is_some())
    }

    async fn forget_doomed(&self, contents: &[DoomedContent], freed: u64) -> Result<(), StorageError> {
        let (now, freed) = (self.clock.seconds(), stored(freed)?);
        let keys = list(contents.iter().map(|content| &content.key.0));
        self.write(move |session| {
            Box::pin(async move {
                if session.run(FORGET_DOOMED, values![keys]).await? > 0 && freed > 0 {
                    session.run(COUNT_FREED, values![freed, now]).await?;
                }
                Ok(Written::without_effects(()))
            })
        })
        .await
    }

    async fn collection_status(&self) -> Result<CollectionStatus, StorageError> {
        self.engine.snapshot(|session| Box::pin(status(session))).await
    }
}

async fn status<S: Session>(session: &mut S) -> Result<CollectionStatus, StorageError> {
    let mut status = CollectionStatus::default();
    for (place, kind) in ReviewKind::ALL.into_iter().enumerate() {
        let found = session.first(WAITING, values![kind.number()]).await?.ok_or_else(row_missing)?;
        status.waiting[place] = found.unsigned("waiting")?;
        status.oldest = [status.oldest, found.optional_integer("oldest")?].into_iter().flatten().min();
    }
    let found = session.first(DOOMED, values![]).await?.ok_or_else(row_missing)?;
    status.doomed = (found.unsigned("contents")?, found.unsigned("bytes")?);
    let found = session.first(TOTALS, values![]).await?.ok_or_else(row_missing)?;
    status.collected = [found.unsigned("manifests")?, found.unsigned("links")?, found.unsigned("blobs")?];
    status.freed_bytes = found.unsigned("freed_bytes")?;
    status.freed_at = found.integer("freed_at")?;
    Ok(status)
}

fn read<R: Columns>(kind: ReviewKind, found: &R) -> Result<Review, StorageError> {
    Ok(Review {
        kind,
        repository_id: found.integer("repository_id")?,
        digest: found.parsed("digest")?,
        since: found.integer("review_after")?,
        changes: found.integer("changes")?,
    })
}

fn doomed<R: Columns>(found: &R) -> Result<DoomedContent, StorageError> {
    Ok(DoomedContent {
        key: BlobKey(found.text("key")?.to_owned()),
        digest: found.parsed("digest")?,
        size: found.unsigned("size")?,
    })
}
