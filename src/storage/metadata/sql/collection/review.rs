//! Reviews: each looks once more at all that may keep a thing, under the locks that a new reference takes as well.

use super::{NO_REPOSITORY, enqueue};
use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::repositories::LockedRow;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::{Value, values};
use crate::storage::metadata::sql::{Written, manifests, repositories};
use crate::storage::metadata::{Review, ReviewKind, Reviewed};

statements! {
    MANIFEST = "SELECT m.id,
            CAST(CASE WHEN EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id) THEN 1 ELSE 0 END AS BIGINT) AS tagged,
            CAST(CASE WHEN EXISTS (SELECT 1 FROM manifest_children c WHERE c.repository_id = m.repository_id AND c.digest = m.digest)
                THEN 1 ELSE 0 END AS BIGINT) AS listed,
            CAST(CASE WHEN EXISTS (SELECT 1 FROM manifests s WHERE s.repository_id = m.repository_id AND s.digest = m.subject)
                THEN 1 ELSE 0 END AS BIGINT) AS attached,
            CAST(CASE WHEN m.trash_id IS NOT NULL OR EXISTS (
                    SELECT 1 FROM trash t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
                THEN 1 ELSE 0 END AS BIGINT) AS trashed,
            CAST(CASE WHEN EXISTS (SELECT 1 FROM holds h WHERE h.tag = ''
                    AND h.repository = (SELECT r.name FROM repositories r WHERE r.id = m.repository_id))
                THEN 1 ELSE 0 END AS BIGINT) AS held
        FROM manifests m WHERE m.repository_id = $1 AND m.digest = $2";
    /// References without a repository are of a version before, which runs on the same database during an upgrade.
    LINK = "SELECT b.id, b.lease_until,
            CAST(CASE WHEN EXISTS (SELECT 1 FROM manifest_blobs r WHERE r.repository_id = $1 AND r.blob_id = b.id)
                OR EXISTS (SELECT 1 FROM manifest_blobs r JOIN manifests m ON m.id = r.manifest_id
                    WHERE r.repository_id = 0 AND r.blob_id = b.id AND m.repository_id = $1) THEN 1 ELSE 0 END AS BIGINT) AS needed
        FROM blobs b JOIN repository_blobs l ON l.blob_id = b.id
        WHERE b.digest = $2 AND l.repository_id = $1";
    UNLINK = "DELETE FROM repository_blobs WHERE repository_id = $1 AND blob_id = $2";
    /// A transaction that links the blob, or leases it, waits for the end of this transaction.
    LOCK_BLOB = "UPDATE blobs SET state = state WHERE digest = $1 RETURNING id, lease_until, state, size, key";
    IS_USED = "SELECT 1 AS used FROM blobs b WHERE b.id = $1 AND (EXISTS (SELECT 1 FROM repository_blobs l WHERE l.blob_id = b.id)
            OR EXISTS (SELECT 1 FROM manifest_blobs r WHERE r.blob_id = b.id))";
    /// Of what was claimed, and has been written again since then, another review comes.
    IS_AS_CLAIMED = "SELECT 1 AS found FROM collection_queue WHERE kind = $1 AND repository_id = $2 AND digest = $3 AND changes = $4";
    MARK = "UPDATE blobs SET state = 1 WHERE id = $1";
    DELETE_BLOB = "DELETE FROM blobs WHERE id = $1";
    DOOM = "INSERT INTO doomed_contents (key, digest, size, since) VALUES ($1, $2, $3, $4)
        ON CONFLICT (key) DO UPDATE SET size = excluded.size, since = excluded.since";
    END = "DELETE FROM collection_queue WHERE kind = $1 AND repository_id = $2 AND digest = $3 AND changes = $4";
    WAIT = "UPDATE collection_queue SET review_after = $5, claimed_until = 0
        WHERE kind = $1 AND repository_id = $2 AND digest = $3 AND changes = $4";
    COUNT = "UPDATE collection_totals SET manifests = manifests + $1, links = links + $2, blobs = blobs + $3 WHERE id = 1";
}

/// What was found, and from when on it may be reviewed again where it is leased.
enum Outcome {
    Kept,
    LeasedUntil(i64),
    Collected(Effects),
}

/// Reviews one entry, at `now`.
pub(super) async fn review<S: Session>(
    session: &mut S,
    entry: Review,
    now: i64,
) -> Result<Written<Reviewed>, StorageError> {
    let outcome = match entry.kind {
        ReviewKind::Manifest => review_manifest(session, &entry, now).await?,
        ReviewKind::Link => review_link(session, &entry, now).await?,
        ReviewKind::Blob => review_blob(session, &entry, now).await?,
        ReviewKind::Removal => review_removal(session, &entry, now).await?,
    };
    let key = key(&entry);
    Ok(match outcome {
        Outcome::LeasedUntil(until) => {
            session.run(WAIT, [key, values![until]].concat()).await?;
            Written::without_effects(Reviewed::Leased)
        }
        Outcome::Kept => {
            session.run(END, key).await?;
            Written::without_effects(Reviewed::Kept)
        }
        Outcome::Collected(effects) => {
            session.run(END, key).await?;
            let counts = [ReviewKind::Manifest, ReviewKind::Link, ReviewKind::Removal].map(|kind| kind == entry.kind);
            session.run(COUNT, values![counts[0], counts[1], counts[2]]).await?;
            Written::with(effects, Reviewed::Collected)
        }
    })
}

/// The entry in the queue, as it was claimed.
fn key(entry: &Review) -> Vec<Value> {
    values![entry.kind.number(), entry.repository_id, &entry.digest, entry.changes]
}

/// How long what is held is left before it is reviewed again, in seconds.
const HELD_FOR: i64 = 3600;

/// The repository of the entry, locked.
enum Place {
    Live(RepositoryName),
    Elsewhere(Outcome),
}

/// Nothing of a deleted repository is collected while it can be restored.
async fn lock<S: Session>(session: &mut S, entry: &Review) -> Result<Place, StorageError> {
    Ok(match repositories::lock_row(session, entry.repository_id).await? {
        Some(LockedRow::Live(name)) => Place::Live(name),
        Some(LockedRow::Trashed { until, .. }) => Place::Elsewhere(Outcome::LeasedUntil(until)),
        None => Place::Elsewhere(Outcome::Kept),
    })
}

async fn review_manifest<S: Session>(session: &mut S, entry: &Review, now: i64) -> Result<Outcome, StorageError> {
    let repository = match lock(session, entry).await? {
        Place::Live(repository) => repository,
        Place::Elsewhere(outcome) => return Ok(outcome),
    };
    let Some(found) = session.first(MANIFEST, values![entry.repository_id, &entry.digest]).await? else {
        return Ok(Outcome::Kept);
    };
    if session.first(IS_AS_CLAIMED, key(entry)).await?.is_none() || is_needed(&found)? {
        return Ok(Outcome::Kept);
    }
    if found.boolean("held")? {
        return Ok(Outcome::LeasedUntil(now + HELD_FOR));
    }
    let manifest = (found.integer("id")?, &entry.digest);
    manifests::delete(session, entry.repository_id, manifest, entry.since).await?;
    Ok(Outcome::Collected(Effects::changes(repository)))
}

/// What keeps a manifest. What leaves the trash is reviewed again then.
fn is_needed<R: Columns>(found: &R) -> Result<bool, StorageError> {
    for reason in ["tagged", "listed", "attached", "trashed"] {
        if found.boolean(reason)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether anything keeps the manifest with this digest. One that does not exist needs no one to remove it.
pub(in crate::storage::metadata::sql) async fn is_manifest_needed<S: Session>(
    session: &mut S,
    repository: i64,
    digest: &Digest,
) -> Result<bool, StorageError> {
    session.first(MANIFEST, values![repository, digest]).await?.map_or(Ok(true), |found| is_needed(&found))
}

async fn review_link<S: Session>(session: &mut S, entry: &Review, now: i64) -> Result<Outcome, StorageError> {
    let repository = match lock(session, entry).await? {
        Place::Live(repository) => repository,
        Place::Elsewhere(outcome) => return Ok(outcome),
    };
    let Some(found) = session.first(LINK, values![entry.repository_id, &entry.digest]).await? else {
        // The link was deleted before the last manifest that referred to the blob.
        enqueue::one(session, ReviewKind::Blob, NO_REPOSITORY, &entry.digest, now).await?;
        return Ok(Outcome::Kept);
    };
    if found.boolean("needed")? {
        return Ok(Outcome::Kept);
    }
    let leased_until = found.integer("lease_until")?;
    if leased_until > now {
        return Ok(Outcome::LeasedUntil(leased_until));
    }
    session.run(UNLINK, values![entry.repository_id, found.integer("id")?]).await?;
    enqueue::one(session, ReviewKind::Blob, NO_REPOSITORY, &entry.digest, now).await?;
    Ok(Outcome::Collected(Effects::changes(repository)))
}

async fn review_blob<S: Session>(session: &mut S, entry: &Review, now: i64) -> Result<Outcome, StorageError> {
    let Some(found) = session.first(LOCK_BLOB, values![&entry.digest]).await? else { return Ok(Outcome::Kept) };
    let id = found.integer("id")?;
    if session.first(IS_USED, values![id]).await?.is_some() {
        return Ok(Outcome::Kept);
    }
    let leased_until = found.integer("lease_until")?;
    if leased_until > now {
        return Ok(Outcome::LeasedUntil(leased_until));
    }
    session.run(MARK, values![id]).await?;
    enqueue::one(session, ReviewKind::Removal, NO_REPOSITORY, &entry.digest, now).await?;
    Ok(Outcome::Collected(Effects::NONE))
}

/// A mark that is gone was taken away by a push or a mount.
async fn review_removal<S: Session>(session: &mut S, entry: &Review, now: i64) -> Result<Outcome, StorageError> {
    let Some(found) = session.first(LOCK_BLOB, values![&entry.digest]).await? else { return Ok(Outcome::Kept) };
    let id = found.integer("id")?;
    let is_marked = found.boolean("state")? && found.integer("lease_until")? <= now;
    if !is_marked || session.first(IS_USED, values![id]).await?.is_some() {
        return Ok(Outcome::Kept);
    }
    session.run(DELETE_BLOB, values![id]).await?;
    session.run(DOOM, values![found.text("key")?, &entry.digest, found.integer("size")?, now]).await?;
    Ok(Outcome::Collected(Effects::NONE))
}
