//! Moves to other storage.

use async_trait::async_trait;

use super::SqlMetadata;
use super::engine::{Engine, Session, row_missing};
use super::row::Columns;
use super::statement::statements;
use super::value::{list, start, values};
use crate::domain::Digest;
use crate::storage::StorageError;
use crate::storage::blobs::BlobKey;
use crate::storage::coordination::MovePhase;
use crate::storage::metadata::{BlobRecord, BlobTotals, Moves};

statements! {
    MOVE_PHASE = "SELECT move_phase, move_peer FROM meta WHERE id = 1";
    SET_MOVE_PHASE = "UPDATE meta SET move_phase = $1, move_peer = $2 WHERE id = 1";
    BLOB_TOTALS = "SELECT count(*) AS blobs, CAST(coalesce(sum(size), 0) AS BIGINT) AS bytes FROM blobs";
    ALL_BLOBS = "SELECT digest, size, key FROM blobs WHERE digest > $1 ORDER BY digest LIMIT $2";
    ARRIVED = "SELECT digest, key FROM moved_blobs WHERE digest IN (SELECT j.value FROM json_each($1) AS j)";
    ARRIVE = "INSERT INTO moved_blobs (digest, key) VALUES ($1, $2) ON CONFLICT (digest) DO UPDATE SET key = excluded.key";
    NEEDLESS = "SELECT digest, key FROM moved_blobs m WHERE NOT EXISTS (SELECT 1 FROM blobs b WHERE b.digest = m.digest) LIMIT $1";
    FORGET_ARRIVAL = "DELETE FROM moved_blobs WHERE digest = $1";
    FORGET_ARRIVALS = "DELETE FROM moved_blobs";
}

/// Refuses to continue with a change while the registry is on its way to other storage.
pub(super) async fn require_settled<S: Session>(session: &mut S) -> Result<(), StorageError> {
    let found = session.first(MOVE_PHASE, values![]).await?.ok_or_else(row_missing)?;
    phase(&found)?.require_settled()
}

fn phase<R: Columns>(found: &R) -> Result<MovePhase, StorageError> {
    MovePhase::of_parts(found.integer("move_phase")?, found.text("move_peer")?)
}

fn arrival<R: Columns>(found: &R) -> Result<(Digest, BlobKey), StorageError> {
    Ok((found.parsed("digest")?, BlobKey(found.text("key")?.to_owned())))
}

#[async_trait]
impl<E: Engine> Moves for SqlMetadata<E> {
    async fn move_phase(&self) -> Result<MovePhase, StorageError> {
        phase(&self.engine.first(MOVE_PHASE, values![]).await?.ok_or_else(row_missing)?)
    }

    async fn set_move_phase(&self, phase: MovePhase) -> Result<(), StorageError> {
        let write = self.engine.write(move |session| {
            Box::pin(async move {
                let (number, peer) = phase.parts();
                session.run(SET_MOVE_PHASE, values![number, peer]).await?;
                if phase == MovePhase::Settled {
                    session.run(FORGET_ARRIVALS, values![]).await?;
                }
                Ok(())
            })
        });
        write.await
    }

    async fn blob_totals(&self) -> Result<BlobTotals, StorageError> {
        let found = self.engine.first(BLOB_TOTALS, values![]).await?.ok_or_else(row_missing)?;
        Ok(BlobTotals { count: found.unsigned("blobs")?, bytes: found.unsigned("bytes")? })
    }

    async fn all_blobs(&self, after: Option<&Digest>, limit: u32) -> Result<Vec<BlobRecord>, StorageError> {
        let after = after.map(ToString::to_string);
        let found = self.engine.all(ALL_BLOBS, values![start(after.as_deref()), limit]).await?;
        let blob = |found: &_| -> Result<BlobRecord, StorageError> {
            let (digest, key) = arrival(found)?;
            Ok(BlobRecord { digest, size: Columns::unsigned(found, "size")?, key })
        };
        found.iter().map(blob).collect()
    }

    async fn arrived(&self, digests: Vec<Digest>) -> Result<Vec<(Digest, BlobKey)>, StorageError> {
        self.engine.all(ARRIVED, values![list(digests)]).await?.iter().map(arrival).collect()
    }

    async fn note_arrival(&self, digest: &Digest, key: &BlobKey) -> Result<(), StorageError> {
        let values = values![digest, key.0.as_str()];
        self.engine.write(move |session| Box::pin(async move { session.run(ARRIVE, values).await.map(|_| ()) })).await
    }

    async fn needless_arrivals(&self, limit: u32) -> Result<Vec<(Digest, BlobKey)>, StorageError> {
        self.engine.all(NEEDLESS, values![limit]).await?.iter().map(arrival).collect()
    }

    async fn forget_arrival(&self, digest: &Digest) -> Result<(), StorageError> {
        let values = values![digest];
        self.engine
            .write(move |session| Box::pin(async move { session.run(FORGET_ARRIVAL, values).await.map(|_| ()) }))
            .await
    }
}
