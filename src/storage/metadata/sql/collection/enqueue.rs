//! What the writes put into the collector's queue, in their own transactions. Each statement that drops a reference calls one of these.

use crate::domain::{Digest, Tag};
use crate::storage::StorageError;
use crate::storage::metadata::ReviewKind;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::{list, values};

/// An entry from `$rows`; one that is there is reviewed later, and by no one who has claimed it as it was.
macro_rules! enqueue {
    ($rows:literal) => {
        concat!(
            "INSERT INTO collection_queue (kind, repository_id, digest, review_after) ",
            $rows,
            " ON CONFLICT (kind, repository_id, digest) DO UPDATE SET
                review_after = excluded.review_after, changes = collection_queue.changes + 1, claimed_until = 0"
        )
    };
}

statements! {
    ENTRY = enqueue!("VALUES ($1, $2, $3, $4)");
    /// What the tags point to, unless that is the manifest $2, which they are going to point to.
    TARGETS = enqueue!("SELECT 0, m.repository_id, m.digest, CAST($4 AS BIGINT) FROM manifests m
        WHERE m.id <> $2 AND m.id IN (
            SELECT t.manifest_id FROM json_each($3) j CROSS JOIN tags t WHERE t.repository_id = $1 AND t.name = j.value)");
    /// A manifest that waits for its review was pushed again: it may be an index's child in a moment.
    POSTPONE = "UPDATE collection_queue SET review_after = $3, changes = changes + 1
        WHERE kind = 0 AND repository_id = $1 AND digest = $2 AND review_after < $3";
    CHILDREN = enqueue!("SELECT 0, c.repository_id, c.digest, CAST($2 AS BIGINT) FROM manifest_children c
            JOIN manifests m ON m.repository_id = c.repository_id AND m.digest = c.digest
        WHERE c.manifest_id = $1");
    REFERRERS = enqueue!("SELECT 0, m.repository_id, m.digest, CAST($3 AS BIGINT) FROM manifests m
        WHERE m.repository_id = $1 AND m.subject = $2");
    LINKS = enqueue!("SELECT 1, CAST($1 AS BIGINT), b.digest, CAST($3 AS BIGINT) FROM manifest_blobs r JOIN blobs b ON b.id = r.blob_id
        WHERE r.manifest_id = $2");
    LINKED = enqueue!("SELECT 2, 0, b.digest, CAST($2 AS BIGINT) FROM repository_blobs l JOIN blobs b ON b.id = l.blob_id
        WHERE l.repository_id = $1");
    /// A blob may be referred to though its link was deleted.
    REFERRED_TO = enqueue!("SELECT 2, 0, b.digest, CAST($2 AS BIGINT) FROM blobs b
        WHERE b.id IN (SELECT r.blob_id FROM manifest_blobs r WHERE r.repository_id = $1)");
}

/// No manifest has this number.
const NONE: i64 = -1;

/// One entry.
pub(in crate::storage::metadata::sql) async fn one<S: Session>(
    session: &mut S,
    kind: ReviewKind,
    repository: i64,
    digest: &Digest,
    review_after: i64,
) -> Result<(), StorageError> {
    session.run(ENTRY, values![kind.number(), repository, digest, review_after]).await?;
    Ok(())
}

/// Before `tags` are moved to the manifest `to`, or deleted: what they point to now.
pub(in crate::storage::metadata::sql) async fn targets<S: Session>(
    session: &mut S,
    repository: i64,
    tags: &[Tag],
    to: Option<i64>,
    now: i64,
) -> Result<(), StorageError> {
    if !tags.is_empty() {
        session.run(TARGETS, values![repository, to.unwrap_or(NONE), list(tags), now]).await?;
    }
    Ok(())
}

/// Where a manifest is put: if it waits for its review, that is not before `until`.
pub(in crate::storage::metadata::sql) async fn postpone<S: Session>(
    session: &mut S,
    repository: i64,
    digest: &Digest,
    until: i64,
) -> Result<(), StorageError> {
    session.run(POSTPONE, values![repository, digest, until]).await?;
    Ok(())
}

/// Before a manifest is deleted: all that it keeps. `since` is when the first reference of the cascade was dropped.
pub(in crate::storage::metadata::sql) async fn kept_by_manifest<S: Session>(
    session: &mut S,
    repository: i64,
    (id, digest): (i64, &Digest),
    since: i64,
) -> Result<(), StorageError> {
    session.run(CHILDREN, values![id, since]).await?;
    session.run(REFERRERS, values![repository, digest, since]).await?;
    session.run(LINKS, values![repository, id, since]).await?;
    Ok(())
}

/// Before a repository is deleted: its blobs. Its manifests go with it.
pub(in crate::storage::metadata::sql) async fn kept_by_repository<S: Session>(
    session: &mut S,
    repository: i64,
    now: i64,
) -> Result<(), StorageError> {
    session.run(LINKED, values![repository, now]).await?;
    session.run(REFERRED_TO, values![repository, now]).await?;
    Ok(())
}
