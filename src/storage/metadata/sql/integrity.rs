//! Verification of contents.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::{after, list, start, stored, values};
use super::{SqlMetadata, Written};
use crate::domain::{Algorithm, Digest, Hasher};
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;
use crate::storage::metadata::{BlobRecord, Integrity, ScrubPlace, StoredBlob};

statements! {
    BY_KEY = "SELECT digest, size, key, damaged FROM blobs WHERE key > $1 ORDER BY key LIMIT $2";
    KNOWN = "SELECT j.value AS key FROM json_each($1) j WHERE EXISTS (SELECT 1 FROM blobs b WHERE b.key = j.value)
        OR EXISTS (SELECT 1 FROM doomed_contents d WHERE d.key = j.value)";
    DOOM = "INSERT INTO doomed_contents (key, digest, size, since) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING";
    DUE = "SELECT id, verified_at, digest, size, key FROM blobs
        WHERE (verified_at, id) > ($1, $2) AND verified_at < $3 AND created_at < $4 AND damaged = 0
        ORDER BY verified_at, id LIMIT $5";
    SUSPECTED = "SELECT digest, size, key FROM blobs WHERE verified_at < 0 ORDER BY verified_at, id LIMIT $1";
    SUSPECT = "UPDATE blobs SET verified_at = -1 WHERE digest IN (SELECT j.value FROM json_each($1) AS j)";
    VERIFIED = "UPDATE blobs SET verified_at = $2 WHERE digest IN (SELECT j.value FROM json_each($1) AS j)";
    MARK_DAMAGED = "UPDATE blobs SET damaged = 1, verified_at = $3 WHERE digest = $1 AND key = $2 RETURNING id";
    MARK_SOUND = "UPDATE blobs SET damaged = 0, verified_at = $3 WHERE digest = $1 AND key = $2";
    /// What nodes remember of the blob's repositories is not valid any more.
    OUTDATE = "UPDATE repositories SET generation = generation + 1
        WHERE id IN (SELECT l.repository_id FROM repository_blobs l WHERE l.blob_id = $1)";
    PIN = "INSERT INTO backup_pins (id, since, until) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET until = excluded.until";
    UNPIN = "DELETE FROM backup_pins WHERE id = $1 OR until < $2";
}

#[async_trait]
impl<E: Engine> Integrity for SqlMetadata<E> {
    async fn blobs_by_key(&self, after: Option<&BlobKey>, limit: u32) -> Result<Vec<StoredBlob>, StorageError> {
        let after = after.map(|key| key.0.as_str());
        let found = self.engine.all(BY_KEY, values![start(after), limit]).await?;
        found.iter().map(|found| Ok(StoredBlob { blob: record(found)?, damaged: found.boolean("damaged")? })).collect()
    }

    async fn known_contents(&self, keys: Vec<BlobKey>) -> Result<HashSet<BlobKey>, StorageError> {
        let found = self.engine.all(KNOWN, values![list(keys.into_iter().map(|key| key.0))]).await?;
        found.iter().map(|found| Ok(BlobKey(found.text("key")?.to_owned()))).collect()
    }

    async fn doom_contents(&self, contents: Vec<(BlobKey, u64)>) -> Result<(), StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| {
            Box::pin(async move {
                for (key, size) in contents {
                    // On a disk the key is the digest. Of a content in a bucket no one knows it, and the key is never used again.
                    let digest = key.0.parse().unwrap_or_else(|_| Hasher::digest(Algorithm::Sha256, key.0.as_bytes()));
                    session.run(DOOM, values![key.0, &digest, stored(size)?, now]).await?;
                }
                Ok(Written::without_effects(()))
            })
        })
        .await
    }

    async fn due_for_scrub(
        &self,
        place: ScrubPlace,
        verified_before: i64,
        pushed_before: i64,
        limit: u32,
    ) -> Result<Vec<(ScrubPlace, BlobRecord)>, StorageError> {
        let values = values![place.verified_at, place.id, verified_before, pushed_before, limit];
        let due = |found: &_| -> Result<(ScrubPlace, BlobRecord), StorageError> {
            let verified_at = Columns::integer(found, "verified_at")?;
            Ok((ScrubPlace { verified_at, id: Columns::integer(found, "id")? }, record(found)?))
        };
        self.engine.all(DUE, values).await?.iter().map(due).collect()
    }

    async fn suspected(&self, limit: u32) -> Result<Vec<BlobRecord>, StorageError> {
        self.engine.all(SUSPECTED, values![limit]).await?.iter().map(record).collect()
    }

    async fn suspect(&self, digests: Vec<Digest>) -> Result<(), StorageError> {
        let values = values![list(digests)];
        self.write(move |session| {
            Box::pin(async move { session.run(SUSPECT, values).await.map(|_| Written::without_effects(())) })
        })
        .await
    }

    async fn note_verified(&self, digests: Vec<Digest>) -> Result<(), StorageError> {
        let values = values![list(digests), self.clock.seconds()];
        self.write(move |session| {
            Box::pin(async move { session.run(VERIFIED, values).await.map(|_| Written::without_effects(())) })
        })
        .await
    }

    async fn mark_damaged(&self, digest: &Digest, key: &BlobKey) -> Result<bool, StorageError> {
        let values = values![digest, key.0.as_str(), self.clock.seconds()];
        self.write(move |session| {
            Box::pin(async move {
                let Some(marked) = session.first(MARK_DAMAGED, values).await? else {
                    return Ok(Written::without_effects(false));
                };
                session.run(OUTDATE, values![marked.integer("id")?]).await?;
                Ok(Written::without_effects(true))
            })
        })
        .await
    }

    async fn mark_sound(&self, digest: &Digest, key: &BlobKey) -> Result<bool, StorageError> {
        let values = values![digest, key.0.as_str(), self.clock.seconds()];
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(session.run(MARK_SOUND, values).await? > 0)) })
        })
        .await
    }

    async fn pin_contents(&self, id: &str, time: Duration) -> Result<(), StorageError> {
        let now = self.clock.seconds();
        let values = values![id, now, after(now, time)];
        self.write(move |session| {
            Box::pin(async move { session.run(PIN, values).await.map(|_| Written::without_effects(())) })
        })
        .await
    }

    async fn unpin_contents(&self, id: &str) -> Result<(), StorageError> {
        let values = values![id, self.clock.seconds()];
        self.write(move |session| {
            Box::pin(async move { session.run(UNPIN, values).await.map(|_| Written::without_effects(())) })
        })
        .await
    }
}

fn record<R: Columns>(found: &R) -> Result<BlobRecord, StorageError> {
    Ok(BlobRecord {
        digest: found.parsed("digest")?,
        size: found.unsigned("size")?,
        key: BlobKey(found.text("key")?.to_owned()),
    })
}
