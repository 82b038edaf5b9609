//! The guard of the collector: its mark, and what it has removed in a day.

use async_trait::async_trait;
use uuid::Uuid;

use crate::storage::StorageError;
use crate::storage::metadata::sql::engine::{Engine, Session, only, row_missing};
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::{after, values};
use crate::storage::metadata::sql::{SqlMetadata, Written};
use crate::storage::metadata::{CollectionGuard, CollectionMark, RemovalLimit, Removals};

statements! {
    COLLECTION_MARK = "SELECT mark, mark_before, marked_at FROM collection_guard WHERE id = 1";
    REPLACE_MARK = "UPDATE collection_guard SET mark_before = mark, mark = $1, marked_at = $2 WHERE id = 1 AND mark = $3";
    WINDOW = "SELECT g.window_began, g.window_blobs, g.window_total, g.confirmed_total, t.blobs
        FROM collection_guard g CROSS JOIN collection_totals t WHERE g.id = 1 AND t.id = 1";
    BEGIN_WINDOW = "UPDATE collection_guard SET window_began = $1, window_blobs = (SELECT COUNT(*) FROM blobs), window_total = $2
        WHERE id = 1";
    REMOVALS = "SELECT COUNT(*) AS waiting FROM collection_queue WHERE kind = 3";
    CONFIRM = "UPDATE collection_guard SET confirmed_total = $1 WHERE id = 1";
}

#[async_trait]
impl<E: Engine> CollectionGuard for SqlMetadata<E> {
    async fn collection_mark(&self) -> Result<CollectionMark, StorageError> {
        let found = self.engine.first(COLLECTION_MARK, values![]).await?.ok_or_else(row_missing)?;
        Ok(CollectionMark {
            mark: mark(found.text("mark")?)?,
            before: mark(found.text("mark_before")?)?,
            since: found.integer("marked_at")?,
        })
    }

    async fn replace_collection_mark(&self, before: Option<Uuid>, mark: Uuid) -> Result<bool, StorageError> {
        let before = before.map(|before| before.to_string()).unwrap_or_default();
        let values = values![mark.to_string(), self.clock.seconds(), before];
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(session.run(REPLACE_MARK, values).await? > 0)) })
        })
        .await
    }

    async fn removals(&self, limit: RemovalLimit) -> Result<Removals, StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(count(session, limit, now).await?)) })
        })
        .await
    }

    async fn confirm_removals(&self) -> Result<u64, StorageError> {
        self.write(move |session| {
            Box::pin(async move {
                let waiting = only(session, REMOVALS, values![]).await?.integer("waiting")?;
                let total = only(session, WINDOW, values![]).await?.integer("blobs")?;
                session.run(CONFIRM, values![total.saturating_add(waiting)]).await?;
                Ok(Written::without_effects(u64::try_from(waiting).unwrap_or_default()))
            })
        })
        .await
    }
}

async fn count<S: Session>(session: &mut S, limit: RemovalLimit, now: i64) -> Result<Removals, StorageError> {
    let mut found = only(session, WINDOW, values![]).await?;
    let total: u64 = found.unsigned("blobs")?;
    if after(found.integer("window_began")?, limit.within) <= now {
        session.run(BEGIN_WINDOW, values![now, found.integer("blobs")?]).await?;
        found = only(session, WINDOW, values![]).await?;
    }
    let waiting = only(session, REMOVALS, values![]).await?.unsigned("waiting")?;
    let (began_at, blobs): (u64, u64) = (found.unsigned("window_total")?, found.unsigned("window_blobs")?);
    let most = limit.least.max(blobs.saturating_mul(limit.percent) / 100);
    let confirmed: u64 = found.unsigned("confirmed_total")?;
    let allowed = confirmed.max(began_at.saturating_add(most));
    Ok(Removals {
        waiting,
        removed: total.saturating_sub(began_at),
        blobs,
        are_allowed: total.saturating_add(waiting) <= allowed,
    })
}

fn mark(text: &str) -> Result<Option<Uuid>, StorageError> {
    let damaged = |error| StorageError::Damaged(format!("the mark of the blob store in the database, {text}: {error}"));
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(damaged) }
}
