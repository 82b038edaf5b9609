//! Upload sessions.

use std::time::Duration;

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::{list, stored, values};
use super::{SqlMetadata, Written};
use crate::domain::{RepositoryName, UploadId};
use crate::storage::StorageError;
use crate::storage::blobs::{StagingArea, StagingState};
use crate::storage::metadata::{SavedUpload, UploadProgress, UploadRecord, Uploads};

statements! {
    /// Others that begin a session of an owner of the same slot wait, so that each counts those before it.
    LOCK_OWNER = "UPDATE upload_locks SET slot = slot WHERE slot = $1";
    /// Unless the owner has more than $10 sessions: read from the index, and no further than that.
    CREATE = "INSERT INTO uploads (id, repository, subject, owner, algorithm, length, hash_state, staging, updated_at)
        SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS BIGINT), $7,
            $8, CAST($9 AS BIGINT)
        WHERE NOT EXISTS (SELECT owner FROM uploads WHERE owner = $4 LIMIT 1 OFFSET $10)";
    FIND = "SELECT owner, algorithm, length, hash_state, staging, updated_at FROM uploads
        WHERE id = $1 AND repository = $2 AND subject = $3";
    LENGTH = "SELECT length FROM uploads WHERE id = $1";
    SAVE = "UPDATE uploads SET algorithm = $3, length = $4, hash_state = $5, staging = $6, updated_at = $7
        WHERE id = $1 AND length = $2";
    HOLD = "UPDATE uploads SET busy_by = $2, busy_until = $3 WHERE id = $1 AND (busy_by = $2 OR busy_until <= $4)";
    GIVE_BACK = "UPDATE uploads SET busy_until = 0 WHERE id = $1 AND busy_by = $2";
    DELETE = "DELETE FROM uploads WHERE id = $1";
    FINISH = "DELETE FROM uploads WHERE id = $1 AND length = $2";
    STALE = "SELECT id FROM uploads WHERE updated_at < $1 ORDER BY updated_at LIMIT $2 OFFSET $3";
    DELETE_STALE = "DELETE FROM uploads WHERE id IN (SELECT j.value FROM json_each($1) AS j) AND updated_at < $2 AND busy_until <= $3
        RETURNING id, staging";
}

#[async_trait]
impl<E: Engine> Uploads for SqlMetadata<E> {
    async fn create_upload(&self, upload: UploadRecord, limit: u32) -> Result<bool, StorageError> {
        if limit == 0 {
            return Ok(false);
        }
        let UploadProgress { algorithm, length, hash_state, staging } = upload.progress;
        let staging = staging.map(|StagingState(state)| state);
        let slot = slot(&upload.owner);
        let whose = values![upload.id, &upload.repository, upload.subject, upload.owner];
        let progress = values![algorithm.as_str(), stored(length)?, hash_state, staging, self.clock.seconds()];
        let values = [whose, progress, values![i64::from(limit) - 1]].concat();
        // Of an empty session nothing is lost that anyone was told to be stored.
        let create = self.engine.write_soon(move |session| {
            Box::pin(async move {
                if E::SERVES_MANY_NODES {
                    session.run(LOCK_OWNER, values![slot]).await?;
                }
                Ok(session.run(CREATE, values).await? > 0)
            })
        });
        create.await
    }

    async fn upload(
        &self,
        repository: &RepositoryName,
        subject: &str,
        id: UploadId,
    ) -> Result<Option<UploadRecord>, StorageError> {
        let Some(found) = self.engine.first(FIND, values![id, repository, subject]).await? else { return Ok(None) };
        Ok(Some(UploadRecord {
            id,
            repository: repository.clone(),
            subject: subject.to_owned(),
            owner: found.text("owner")?.to_owned(),
            progress: UploadProgress {
                algorithm: found.parsed("algorithm")?,
                length: found.unsigned("length")?,
                hash_state: found.bytes("hash_state")?,
                staging: staging(&found)?,
            },
            updated_at: found.integer("updated_at")?,
        }))
    }

    async fn save_upload(
        &self,
        id: UploadId,
        expected_length: u64,
        progress: UploadProgress,
    ) -> Result<SavedUpload, StorageError> {
        let UploadProgress { algorithm, length, hash_state, staging } = progress;
        let staging = staging.map(|StagingState(state)| state);
        let (expected, length, now) = (stored(expected_length)?, stored(length)?, self.clock.seconds());
        let values = values![id, expected, algorithm.as_str(), length, hash_state, staging, now];
        self.write(move |session| {
            Box::pin(async move {
                if session.run(SAVE, values).await? > 0 {
                    return Ok(Written::without_effects(SavedUpload::Saved));
                }
                let found = session.first(LENGTH, values![id]).await?;
                Ok(Written::without_effects(match found {
                    Some(found) => SavedUpload::Moved { length: found.unsigned("length")? },
                    None => SavedUpload::Gone,
                }))
            })
        })
        .await
    }

    async fn hold_upload(&self, id: UploadId, holder: &str, time: Duration) -> Result<bool, StorageError> {
        let now = self.clock.now().as_millisecond();
        let until = now.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        let values = values![id, holder, until, now];
        self.engine.write_soon(move |session| Box::pin(async move { Ok(session.run(HOLD, values).await? > 0) })).await
    }

    async fn give_back_upload(&self, id: UploadId, holder: &str) -> Result<(), StorageError> {
        let values = values![id, holder];
        self.engine
            .write_soon(move |session| {
                Box::pin(async move {
                    session.run(GIVE_BACK, values).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn delete_upload(&self, id: UploadId) -> Result<bool, StorageError> {
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(session.run(DELETE, values![id]).await? > 0)) })
        })
        .await
    }

    async fn upload_exists(&self, id: UploadId) -> Result<bool, StorageError> {
        Ok(self.engine.first(LENGTH, values![id]).await?.is_some())
    }

    async fn stale_uploads(&self, before: i64, skip: u32, limit: u32) -> Result<Vec<UploadId>, StorageError> {
        let stale = self.engine.all(STALE, values![before, limit, skip]).await?;
        stale.iter().map(|found| found.parsed("id")).collect()
    }

    async fn delete_stale_uploads(&self, before: i64, ids: Vec<UploadId>) -> Result<Vec<StagingArea>, StorageError> {
        let values = values![list(ids), before, self.clock.now().as_millisecond()];
        self.write(move |session| {
            Box::pin(async move {
                let deleted = session.all(DELETE_STALE, values).await?;
                Ok(Written::without_effects(deleted.iter().map(area).collect::<Result<_, _>>()?))
            })
        })
        .await
    }
}

/// The row of `upload_locks` for an owner, the same on every node.
fn slot(owner: &str) -> i64 {
    owner.bytes().fold(0, |slot, byte| (slot * 31 + i64::from(byte)) % 64)
}

/// Ends a session that has this length; `false` where it is gone, or was moved on.
pub(super) async fn finish<S: Session>(session: &mut S, id: UploadId, length: u64) -> Result<bool, StorageError> {
    Ok(session.run(FINISH, values![id, stored(length)?]).await? > 0)
}

fn staging<R: Columns>(found: &R) -> Result<Option<StagingState>, StorageError> {
    Ok(found.optional_bytes("staging")?.map(StagingState))
}

fn area<R: Columns>(found: &R) -> Result<StagingArea, StorageError> {
    Ok(StagingArea { upload: found.parsed("id")?, backend: staging(found)? })
}
