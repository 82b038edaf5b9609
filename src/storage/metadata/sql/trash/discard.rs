//! Deleting: into the trash, or at once where that keeps nothing. What is held is refused.

use super::{MANIFEST, REPOSITORY, TAG};
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::Change;
use crate::storage::metadata::sql::collection::enqueue;
use crate::storage::metadata::sql::engine::{Session, only};
use crate::storage::metadata::sql::quotas::charge;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::{after, values};
use crate::storage::metadata::sql::{Written, holds, immutable, manifests, repositories, tag_history};

statements! {
    DELETE_TAG = "DELETE FROM tags WHERE repository_id = $1 AND name = $2";
    LIVE = "SELECT id FROM manifests WHERE repository_id = $1 AND digest = $2 AND trash_id IS NULL";
    PUT_IN = "INSERT INTO trash (kind, repository_id, repository, tag, digest, deleted_at, deleted_by, cause, purge_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id";
    PUT_IN_TAGS = "INSERT INTO trash (kind, repository_id, repository, tag, digest, parent, deleted_at, deleted_by, cause, purge_at)
        SELECT p.kind - 1, p.repository_id, p.repository, t.name, p.digest, p.id, p.deleted_at, p.deleted_by, p.cause, p.purge_at
        FROM trash p CROSS JOIN tags t WHERE p.id = $1 AND t.manifest_id = $2";
    DELETE_TAGS = "DELETE FROM tags WHERE manifest_id = $1";
    HIDE_MANIFEST = "UPDATE manifests SET trash_id = $2 WHERE id = $1";
    HIDE_REPOSITORY = "UPDATE repositories SET name = $2, trash_id = $3 WHERE id = $1";
    pub(super) RENAME_LINKS = "UPDATE repository_blobs SET repository_name = $2 WHERE repository_id = $1";
}

/// No manifest has this number.
const NOWHERE: i64 = -1;
/// Begins the names of repositories in the trash. No other name sorts behind, and no range of names reaches there
/// ([`crate::domain::NameRange`]), not in the version before either.
const HIDDEN: &str = "\u{7f}";

/// Deletes a tag. `false` where it does not exist.
pub(in crate::storage::metadata::sql) async fn tag<S: Session>(
    session: &mut S,
    (repository, tag): (RepositoryName, Tag),
    (change, now): (Change, i64),
) -> Result<Written<bool>, StorageError> {
    let Some(id) = repositories::lock(session, &repository).await? else {
        return Ok(Written::without_effects(false));
    };
    let Some(digest) = tag_history::target(session, id, &tag).await? else {
        return Ok(Written::without_effects(false));
    };
    holds::require_free_tag(session, &repository, &tag).await?;
    let tags = std::slice::from_ref(&tag);
    immutable::require_mutable_tags(session, (id, tags), (&change.protection, now)).await?;
    tag_history::end_targets(session, (id, &repository), (tags, NOWHERE), (&change, now)).await?;
    if change.keep.is_zero() {
        enqueue::targets(session, id, tags, None, now).await?;
    } else {
        put_in(session, TAG, (id, &repository), (Some(&tag), Some(&digest)), (&change, now)).await?;
    }
    session.run(DELETE_TAG, values![id, &tag]).await?;
    Ok(Written::with(Effects::changes(repository), true))
}

/// Deletes a manifest with its tags. `false` where it does not exist.
pub(in crate::storage::metadata::sql) async fn manifest<S: Session>(
    session: &mut S,
    (repository, digest): (RepositoryName, Digest),
    (change, now): (Change, i64),
) -> Result<Written<bool>, StorageError> {
    let Some(id) = repositories::lock(session, &repository).await? else {
        return Ok(Written::without_effects(false));
    };
    let Some(found) = session.first(LIVE, values![id, &digest]).await? else {
        return Ok(Written::without_effects(false));
    };
    let manifest = found.integer("id")?;
    holds::require_free_manifests(session, (id, &repository), vec![(manifest, digest.clone())]).await?;
    immutable::require_mutable_manifest(session, (id, manifest), (&change.protection, now)).await?;
    tag_history::end_targets_of_manifest(session, manifest, (&change, now)).await?;
    if change.keep.is_zero() {
        manifests::delete(session, id, (manifest, &digest), now).await?;
    } else {
        let entry = put_in(session, MANIFEST, (id, &repository), (None, Some(&digest)), (&change, now)).await?;
        session.run(PUT_IN_TAGS, values![entry, manifest]).await?;
        session.run(DELETE_TAGS, values![manifest]).await?;
        charge::release(session, id, (manifest, &digest)).await?;
        session.run(HIDE_MANIFEST, values![manifest, entry]).await?;
    }
    Ok(Written::with(Effects::changes(repository), true))
}

/// Moves a repository into the trash: it keeps its row, with all that refers to it, under a name that no one can ask for.
pub(in crate::storage::metadata::sql) async fn repository<S: Session>(
    session: &mut S,
    (id, repository): (i64, &RepositoryName),
    (change, now): (&Change, i64),
) -> Result<(), StorageError> {
    let entry = put_in(session, REPOSITORY, (id, repository), (None, None), (change, now)).await?;
    let hidden = format!("{HIDDEN}{entry}");
    session.run(HIDE_REPOSITORY, values![id, hidden.as_str(), entry]).await?;
    session.run(RENAME_LINKS, values![id, hidden]).await?;
    Ok(())
}

async fn put_in<S: Session>(
    session: &mut S,
    kind: i64,
    (id, repository): (i64, &RepositoryName),
    (tag, digest): (Option<&Tag>, Option<&Digest>),
    (change, now): (&Change, i64),
) -> Result<i64, StorageError> {
    let values = values![
        kind,
        id,
        repository,
        tag.map(Tag::to_string),
        digest.map(Digest::to_string),
        now,
        change.by.as_str(),
        change.cause.as_str(),
        after(now, change.keep),
    ];
    only(session, PUT_IN, values).await?.integer("id")
}
