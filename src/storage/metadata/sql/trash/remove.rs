//! Removing for good what is in the trash. What only that kept is left to the collector.

use super::{entry, forget};
use crate::domain::{Digest, Tag};
use crate::storage::StorageError;
use crate::storage::metadata::sql::collection::enqueue;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::repositories::REMOVE_ROW;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::values;
use crate::storage::metadata::sql::{Written, manifests, moves, repositories};
use crate::storage::metadata::{RemovalOutcome, ReviewKind, TrashEntry, Trashed};

statements! {
    HIDDEN = "SELECT id FROM manifests WHERE repository_id = $1 AND digest = $2 AND trash_id = $3";
    IS_TAGGED = "SELECT name FROM tags WHERE manifest_id = $1 LIMIT 1";
    SHOW = "UPDATE manifests SET trash_id = NULL WHERE id = $1";
    HELD = "SELECT reason FROM holds WHERE repository = $1 AND tag IN ('', $2) LIMIT 1";
    PUT_OFF = "UPDATE trash SET purge_at = $2 WHERE id = $1";
}

/// How long what is held is left before it is reviewed again, in seconds.
const HELD_FOR: i64 = 3600;

/// Removes the entry `id`.
pub(super) async fn remove<S: Session>(
    session: &mut S,
    id: i64,
    now: i64,
) -> Result<Written<RemovalOutcome>, StorageError> {
    let Some((row, _)) = entry(session, id).await? else {
        return Ok(Written::without_effects(RemovalOutcome::Gone));
    };
    repositories::lock_row(session, row).await?;
    let Some((_, entry)) = entry(session, id).await? else {
        return Ok(Written::without_effects(RemovalOutcome::Gone));
    };
    moves::require_settled(session).await?;
    if is_held(session, &entry).await? {
        session.run(PUT_OFF, values![id, now + HELD_FOR]).await?;
        return Ok(Written::without_effects(RemovalOutcome::Held));
    }
    // The delay of the collector is over for all that this kept, even where the trash is emptied before its time.
    let since = entry.deleted_at.min(now - (entry.purge_at - entry.deleted_at));
    match &entry.what {
        Trashed::Tag(_, digest) => enqueue::one(session, ReviewKind::Manifest, row, digest, since).await?,
        Trashed::Manifest(digest) => remove_manifest(session, row, (id, digest), since).await?,
        Trashed::Repository => {
            enqueue::kept_by_repository(session, row, now).await?;
            session.run(REMOVE_ROW, values![row]).await?;
        }
    }
    forget(session, id).await?;
    Ok(Written::without_effects(RemovalOutcome::Removed))
}

async fn is_held<S: Session>(session: &mut S, entry: &TrashEntry) -> Result<bool, StorageError> {
    let tag = match &entry.what {
        Trashed::Tag(tag, _) => Tag::as_str(tag),
        Trashed::Manifest(_) | Trashed::Repository => "",
    };
    Ok(session.first(HELD, values![&entry.repository, tag]).await?.is_some())
}

async fn remove_manifest<S: Session>(
    session: &mut S,
    row: i64,
    (entry, digest): (i64, &Digest),
    since: i64,
) -> Result<(), StorageError> {
    let Some(found) = session.first(HIDDEN, values![row, digest, entry]).await? else { return Ok(()) };
    let manifest = found.integer("id")?;
    // A version before, which knows no trash, may have pushed it again.
    if session.first(IS_TAGGED, values![manifest]).await?.is_some() {
        session.run(SHOW, values![manifest]).await?;
        return Ok(());
    }
    manifests::delete(session, row, (manifest, digest), since).await
}
