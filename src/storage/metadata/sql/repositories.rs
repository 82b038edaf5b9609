//! Repositories: rows that come into being with their first content.

use async_trait::async_trait;

use super::collection::enqueue;
use super::engine::{Engine, Session, only};
use super::quotas::charge;
use super::quotas::membership::{self, Membership};
use super::row::Columns;
use super::statement::statements;
use super::value::{start, values};
use super::{SqlMetadata, Written, holds, trash};
use crate::domain::{AccountName, NameRange, RepositoryName};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{Change, Repositories, RepositorySummary};

statements! {
    /// Those in the trash sort behind.
    LIST = "SELECT name FROM repositories WHERE name > $1 AND name < '~' ORDER BY name LIMIT $2";
    BELOW = "SELECT name FROM repositories WHERE name > $1 AND name < $2 ORDER BY name LIMIT 10";
    pub(super) FIND = "SELECT id FROM repositories WHERE name = $1";
    BETWEEN = "SELECT name FROM repositories WHERE name >= $1 AND name < $2 ORDER BY name LIMIT $3";
    /// Changes nothing but who may: another transaction that does this, or changes the row, waits for the end of this one.
    LOCK = "UPDATE repositories SET generation = generation WHERE name = $1 RETURNING id, quotas";
    /// The same by number, of a repository that may be in the trash.
    LOCK_ROW = "UPDATE repositories SET generation = generation WHERE id = $1 RETURNING name, trash_id,
        (SELECT t.purge_at FROM trash t WHERE t.id = repositories.trash_id) AS purge_at";
    /// Waits for a removal that is under way, which may be of the same name.
    DRAW_GENERATION = "UPDATE meta SET last_generation = last_generation + 1 WHERE id = 1
        RETURNING last_generation, quotas";
    CREATE = "INSERT INTO repositories (name, created_at, generation) VALUES ($1, $2, $3) RETURNING id";
    /// So that a repository of the same name never has a generation again that this one had.
    pub(super) KEEP_GENERATION = "UPDATE meta SET last_generation = (SELECT generation FROM repositories WHERE name = $1)
        WHERE id = 1 AND last_generation < (SELECT generation FROM repositories WHERE name = $1)";
    pub(super) REMOVE_ROW = "DELETE FROM repositories WHERE id = $1";
    pub(super) REMOVE_UPLOADS = "DELETE FROM uploads WHERE repository = $1";
    SUMMARY = "SELECT r.created_at,
            (SELECT COUNT(*) FROM tags t WHERE t.repository_id = r.id) AS tags,
            (SELECT COUNT(*) FROM manifests m WHERE m.repository_id = r.id AND m.trash_id IS NULL) AS manifests,
            (SELECT COUNT(*) FROM repository_blobs l WHERE l.repository_id = r.id) AS blobs,
            (SELECT CAST(COALESCE(SUM(b.size), 0) AS BIGINT) FROM repository_blobs l JOIN blobs b ON b.id = l.blob_id
                WHERE l.repository_id = r.id) AS bytes
        FROM repositories r WHERE r.name = $1";
}

#[async_trait]
impl<E: Engine> Repositories for SqlMetadata<E> {
    async fn repositories(&self, after: Option<&str>, limit: u32) -> Result<Vec<RepositoryName>, StorageError> {
        names(&self.engine.all(LIST, values![start(after), limit]).await?)
    }

    async fn repositories_within(
        &self,
        range: &NameRange,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, StorageError> {
        names(
            &self
                .engine
                .all(BETWEEN, values![range.start_after(after.map(|after| start(Some(after)))), range.end(), limit])
                .await?,
        )
    }

    async fn repository_exists(&self, name: &RepositoryName) -> Result<bool, StorageError> {
        Ok(self.engine.first(FIND, values![name]).await?.is_some())
    }

    async fn repository_summary(&self, name: &RepositoryName) -> Result<Option<RepositorySummary>, StorageError> {
        let Some(found) = self.engine.first(SUMMARY, values![name]).await? else { return Ok(None) };
        Ok(Some(RepositorySummary {
            name: name.clone(),
            tags: found.unsigned("tags")?,
            manifests: found.unsigned("manifests")?,
            blobs: found.unsigned("blobs")?,
            bytes: found.unsigned("bytes")?,
            created_at: found.integer("created_at")?,
        }))
    }

    async fn remove_repository(&self, name: &RepositoryName, change: &Change) -> Result<bool, StorageError> {
        let (name, change, now) = (name.clone(), change.clone(), self.clock.seconds());
        self.write(move |session| {
            Box::pin(async move {
                let Some(id) = lock(session, &name).await? else { return Ok(Written::without_effects(false)) };
                holds::require_free_repository(session, &name).await?;
                charge::release_all(session, id).await?;
                session.run(KEEP_GENERATION, values![&name]).await?;
                session.run(REMOVE_UPLOADS, values![&name]).await?;
                if change.keep.is_zero() {
                    enqueue::kept_by_repository(session, id, now).await?;
                    // Tags, manifests, references and links go with the row, and so does its generation: every cache sees that.
                    session.run(REMOVE_ROW, values![id]).await?;
                } else {
                    trash::discard::repository(session, (id, &name), (&change, now)).await?;
                }
                Ok(Written::with(Effects::changes(name), true))
            })
        })
        .await
    }
}

fn names<R: Columns>(rows: &[R]) -> Result<Vec<RepositoryName>, StorageError> {
    rows.iter().map(|found| found.parsed("name")).collect()
}

/// The first repositories of `NAME/**`.
pub(super) async fn below<S: Session>(
    session: &mut S,
    name: &AccountName,
) -> Result<Vec<RepositoryName>, StorageError> {
    // '0' follows '/'.
    names(&session.all(BELOW, values![format!("{name}/"), format!("{name}0")]).await?)
}

/// The repository's row, for this transaction alone until its end: what it then reads of the repository stays as it is. To be called before
/// rows of blobs are changed, so that no two transactions wait for each other.
pub(super) async fn lock<S: Session>(session: &mut S, name: &RepositoryName) -> Result<Option<i64>, StorageError> {
    Ok(lock_counted(session, name).await?.map(|(id, _)| id))
}

/// The same with the quotas that count the repository.
pub(super) async fn lock_counted<S: Session>(
    session: &mut S,
    name: &RepositoryName,
) -> Result<Option<(i64, Membership)>, StorageError> {
    let found = session.first(LOCK, values![name]).await?;
    found.map(|found| Ok((found.integer("id")?, Membership::of(&found)?))).transpose()
}

/// A repository by its number, locked.
pub(super) enum LockedRow {
    /// One that has this name.
    Live(RepositoryName),
    /// One that was deleted.
    Trashed {
        /// Its entry in the trash.
        entry: i64,
        /// When that is over.
        until: i64,
    },
}

/// As [`lock`], by number.
pub(super) async fn lock_row<S: Session>(session: &mut S, id: i64) -> Result<Option<LockedRow>, StorageError> {
    let Some(found) = session.first(LOCK_ROW, values![id]).await? else { return Ok(None) };
    Ok(Some(match found.optional_integer("trash_id")? {
        None => LockedRow::Live(found.parsed("name")?),
        Some(entry) => LockedRow::Trashed { entry, until: found.optional_integer("purge_at")?.unwrap_or_default() },
    }))
}

/// A generation that no repository has had.
pub(super) async fn draw_generation<S: Session>(session: &mut S) -> Result<i64, StorageError> {
    only(session, DRAW_GENERATION, values![]).await?.integer("last_generation")
}

/// A new row.
pub(super) async fn create<S: Session>(session: &mut S, name: &RepositoryName, now: i64) -> Result<i64, StorageError> {
    let drawn = only(session, DRAW_GENERATION, values![]).await?;
    let id = only(session, CREATE, values![name, now, drawn.integer("last_generation")?]).await?.integer("id")?;
    if drawn.integer("quotas")? > 0 {
        membership::join(session, id, name).await?;
    }
    Ok(id)
}
