//! The trash: what is put into it, what comes back, and what is removed for good.

pub(super) mod discard;
mod remove;
pub(super) mod restore;
pub(super) mod tags;

use async_trait::async_trait;

use super::SqlMetadata;
use super::engine::{Engine, Session};
use super::row::{Columns, damaged};
use super::statement::statements;
use super::value::values;
use crate::domain::RepositoryName;
use crate::storage::StorageError;
use crate::storage::metadata::{Change, RemovalOutcome, RestoreOutcome, Trash, TrashEntry, Trashed};

statements! {
    ENTRIES = "SELECT id, kind, repository_id, repository, tag, digest, parent, deleted_at, deleted_by, cause, purge_at FROM trash
        WHERE id > $1 ORDER BY id LIMIT $2";
    ENTRY = "SELECT id, kind, repository_id, repository, tag, digest, parent, deleted_at, deleted_by, cause, purge_at FROM trash
        WHERE id = $1";
    OF_NAME = "SELECT id, kind, repository_id, repository, tag, digest, parent, deleted_at, deleted_by, cause, purge_at FROM trash
        WHERE repository = $1 AND kind = 2 ORDER BY id DESC LIMIT 10";
    DUE = "SELECT id FROM trash WHERE purge_at <= $1 AND parent IS NULL ORDER BY purge_at LIMIT $2";
    FORGET = "DELETE FROM trash WHERE id = $1";
}

/// Every statement of this folder.
#[cfg(test)]
pub(super) const ALL_OF_FOLDER: [&[(&str, &str)]; 5] = [ALL, discard::ALL, remove::ALL, restore::ALL, tags::ALL];

/// Kinds of entries, as they are stored.
const TAG: i64 = 0;
const MANIFEST: i64 = 1;
const REPOSITORY: i64 = 2;

#[async_trait]
impl<E: Engine> Trash for SqlMetadata<E> {
    async fn trash(&self, after: i64, limit: u32) -> Result<Vec<TrashEntry>, StorageError> {
        let rows = self.engine.all(ENTRIES, values![after, limit]).await?;
        rows.iter().map(|found| Ok(read(found)?.1)).collect()
    }

    async fn restore(&self, id: i64, change: &Change) -> Result<RestoreOutcome, StorageError> {
        let (change, now) = (change.clone(), self.clock.seconds());
        self.write(move |session| Box::pin(restore::restore(session, id, change, now))).await
    }

    async fn deleted_repositories(&self, name: &RepositoryName) -> Result<Vec<TrashEntry>, StorageError> {
        let rows = self.engine.all(OF_NAME, values![name]).await?;
        rows.iter().map(|found| Ok(read(found)?.1)).collect()
    }

    async fn due_trash(&self, limit: u32) -> Result<Vec<i64>, StorageError> {
        let rows = self.engine.all(DUE, values![self.clock.seconds(), limit]).await?;
        rows.iter().map(|found| found.integer("id")).collect()
    }

    async fn remove_trash(&self, id: i64) -> Result<RemovalOutcome, StorageError> {
        let now = self.clock.seconds();
        self.write(move |session| Box::pin(remove::remove(session, id, now))).await
    }
}

/// An entry, and the row of its repository.
async fn entry<S: Session>(session: &mut S, id: i64) -> Result<Option<(i64, TrashEntry)>, StorageError> {
    session.first(ENTRY, values![id]).await?.map(|found| read(&found)).transpose()
}

async fn forget<S: Session>(session: &mut S, id: i64) -> Result<(), StorageError> {
    session.run(FORGET, values![id]).await?;
    Ok(())
}

fn read<R: Columns>(found: &R) -> Result<(i64, TrashEntry), StorageError> {
    let what = match found.integer("kind")? {
        TAG => Trashed::Tag(found.parsed("tag")?, found.parsed("digest")?),
        MANIFEST => Trashed::Manifest(found.parsed("digest")?),
        REPOSITORY => Trashed::Repository,
        other => return Err(damaged("kind", &format!("{other} is unknown"))),
    };
    let entry = TrashEntry {
        id: found.integer("id")?,
        what,
        repository: found.parsed("repository")?,
        part_of: found.optional_integer("parent")?,
        deleted_at: found.integer("deleted_at")?,
        deleted_by: found.text("deleted_by")?.to_owned(),
        cause: found.text("cause")?.to_owned(),
        purge_at: found.integer("purge_at")?,
    };
    Ok((found.integer("repository_id")?, entry))
}
