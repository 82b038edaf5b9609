//! Bringing back what is in the trash.

use super::{discard, entry, forget};
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::sql::engine::{Session, only};
use crate::storage::metadata::sql::quotas::charge;
use crate::storage::metadata::sql::repositories::LockedRow;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::values;
use crate::storage::metadata::sql::{Written, put_manifest, repositories, tag_history};
use crate::storage::metadata::{Change, RestoreOutcome, TrashEntry, Trashed};

statements! {
    MANIFEST = "SELECT id, trash_id FROM manifests WHERE repository_id = $1 AND digest = $2";
    SHOW_MANIFEST = "UPDATE manifests SET trash_id = NULL WHERE id = $1 RETURNING repository_id, digest";
    /// A blob may have been deleted from the repository meanwhile; its content is there as long as a manifest refers to it.
    LINK_AGAIN = "INSERT INTO repository_blobs (repository_id, blob_id, repository_name)
        SELECT m.repository_id, r.blob_id, CAST($2 AS TEXT) FROM manifest_blobs r JOIN manifests m ON m.id = r.manifest_id
        WHERE r.manifest_id = $1
        ON CONFLICT (repository_id, blob_id) DO NOTHING";
    HIDDEN_CHILDREN = "SELECT m.id, m.trash_id FROM manifest_children c
            JOIN manifests m ON m.repository_id = c.repository_id AND m.digest = c.digest
        WHERE c.manifest_id = $1 AND m.trash_id IS NOT NULL";
    TAGS_OF = "SELECT id, tag FROM trash WHERE parent = $1";
    LEAVE_ALONE = "UPDATE trash SET parent = NULL WHERE parent = $1";
    SHOW_REPOSITORY = "UPDATE repositories SET name = $2, generation = $3, trash_id = NULL WHERE id = $1";
}

/// Restores the entry `id`.
pub(super) async fn restore<S: Session>(
    session: &mut S,
    id: i64,
    change: Change,
    now: i64,
) -> Result<Written<RestoreOutcome>, StorageError> {
    let Some((row, _)) = entry(session, id).await? else {
        return Ok(Written::without_effects(RestoreOutcome::Unknown));
    };
    let locked = repositories::lock_row(session, row).await?;
    // Another process may have restored it before this one had the lock.
    let (Some(locked), Some((_, entry))) = (locked, entry(session, id).await?) else {
        return Ok(Written::without_effects(RestoreOutcome::Unknown));
    };
    let outcome = match (&entry.what, locked) {
        (Trashed::Repository, _) => restore_repository(session, row, entry).await?,
        (_, LockedRow::Trashed { entry: other, .. }) => RestoreOutcome::RepositoryInTrash(entry, other),
        (_, LockedRow::Live(name)) => restore_content(session, (row, &name), entry, (&change, now)).await?,
    };
    Ok(match &outcome {
        RestoreOutcome::Restored { entry, .. } => Written::with(Effects::changes(entry.repository.clone()), outcome),
        _ => Written::without_effects(outcome),
    })
}

async fn restore_repository<S: Session>(
    session: &mut S,
    row: i64,
    entry: TrashEntry,
) -> Result<RestoreOutcome, StorageError> {
    // Waits for another that is being created, perhaps with this name. No cache has a generation as high.
    let generation = repositories::draw_generation(session).await?;
    if session.first(repositories::FIND, values![&entry.repository]).await?.is_some() {
        return Ok(RestoreOutcome::NameTaken(entry, None));
    }
    session.run(SHOW_REPOSITORY, values![row, &entry.repository, generation]).await?;
    session.run(discard::RENAME_LINKS, values![row, &entry.repository]).await?;
    charge::admit_all(session, row, &entry.repository).await?;
    forget(session, entry.id).await?;
    Ok(RestoreOutcome::Restored { entry, left_out: Vec::new() })
}

/// A tag, or a manifest with the tags that went with it.
async fn restore_content<S: Session>(
    session: &mut S,
    (row, repository): (i64, &RepositoryName),
    entry: TrashEntry,
    change: (&Change, i64),
) -> Result<RestoreOutcome, StorageError> {
    let (digest, wanted) = match &entry.what {
        Trashed::Tag(tag, digest) => {
            if let Some(current) = tag_history::target(session, row, tag).await? {
                return Ok(RestoreOutcome::NameTaken(entry, Some(current)));
            }
            (digest.clone(), vec![(entry.id, tag.clone())])
        }
        Trashed::Manifest(digest) => (digest.clone(), tags_of(session, entry.id).await?),
        Trashed::Repository => return Ok(RestoreOutcome::Unknown),
    };
    let Some(manifest) = show(session, (row, repository), &digest).await? else {
        return Ok(RestoreOutcome::ContentGone(entry, digest));
    };
    let mut left_out = Vec::new();
    for (id, tag) in wanted {
        if tag_history::target(session, row, &tag).await?.is_some() {
            left_out.push(tag);
            continue;
        }
        put_manifest::point_tags(session, (row, manifest), &[tag], change).await?;
        forget(session, id).await?;
    }
    // Where an earlier version has deleted the manifest and it was pushed again, it was not in the trash.
    forget(session, entry.id).await?;
    Ok(RestoreOutcome::Restored { entry, left_out })
}

/// The manifest's number, once it is out of the trash; `None` where the repository does not have it.
pub(super) async fn show<S: Session>(
    session: &mut S,
    repository: (i64, &RepositoryName),
    digest: &Digest,
) -> Result<Option<i64>, StorageError> {
    let Some(found) = session.first(MANIFEST, values![repository.0, digest]).await? else { return Ok(None) };
    let manifest = found.integer("id")?;
    if let Some(trash) = found.optional_integer("trash_id")? {
        revive(session, repository.1, (manifest, trash)).await?;
    }
    Ok(Some(manifest))
}

/// Takes a manifest out of the trash, with what it lists. Tags that went with it become entries of their own.
pub(in crate::storage::metadata::sql) async fn revive<S: Session>(
    session: &mut S,
    repository: &RepositoryName,
    (manifest, trash): (i64, i64),
) -> Result<(), StorageError> {
    let mut left = vec![(manifest, trash)];
    while let Some((manifest, trash)) = left.pop() {
        let shown = only(session, SHOW_MANIFEST, values![manifest]).await?;
        let digest: Digest = shown.parsed("digest")?;
        charge::admit_again(session, shown.integer("repository_id")?, (manifest, &digest)).await?;
        session.run(LINK_AGAIN, values![manifest, repository]).await?;
        session.run(LEAVE_ALONE, values![trash]).await?;
        forget(session, trash).await?;
        for found in session.all(HIDDEN_CHILDREN, values![manifest]).await? {
            left.push((found.integer("id")?, found.integer("trash_id")?));
        }
    }
    Ok(())
}

async fn tags_of<S: Session>(session: &mut S, entry: i64) -> Result<Vec<(i64, Tag)>, StorageError> {
    let rows = session.all(TAGS_OF, values![entry]).await?;
    rows.iter().map(|found| Ok((found.integer("id")?, found.parsed("tag")?))).collect()
}
