//! Putting a manifest: what it refers to is checked in the transaction that stores it and moves the tags.

use std::collections::HashSet;

use super::collection::enqueue;
use super::engine::{Session, only};
use super::quotas::charge;
use super::quotas::membership::{self, Membership};
use super::row::Columns;
use super::statement::statements;
use super::value::{list, stored, values};
use super::{Written, immutable, repositories, tag_history, trash};
use crate::domain::{Digest, Precondition, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{Change, NewManifest, PutOutcome};

statements! {
    pub(super) TAG_TARGET = "SELECT m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE t.repository_id = $1 AND t.name = $2";
    MANIFEST = "SELECT digest FROM manifests WHERE repository_id = $1 AND digest = $2 AND trash_id IS NULL";
    MISSING_BLOBS = "SELECT j.value AS digest FROM json_each($2) j WHERE NOT EXISTS (
            SELECT 1 FROM blobs b CROSS JOIN repository_blobs l
            WHERE b.digest = j.value AND b.damaged = 0 AND l.repository_id = $1 AND l.blob_id = b.id)";
    MISSING_CHILDREN = "SELECT j.value AS digest FROM json_each($2) j WHERE NOT EXISTS (
            SELECT 1 FROM manifests m WHERE m.repository_id = $1 AND m.digest = j.value AND m.trash_id IS NULL) AND NOT EXISTS (
            SELECT 1 FROM blobs b CROSS JOIN repository_blobs l
            WHERE b.digest = j.value AND l.repository_id = $1 AND l.blob_id = b.id)";
    /// The same bytes may be put with another media type where they name none: the last one counts.
    STORE = "INSERT INTO manifests
            (repository_id, digest, media_type, size, subject, artifact_type, created_at, annotations, content)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (repository_id, digest) DO UPDATE SET
            media_type = excluded.media_type, subject = excluded.subject,
            artifact_type = excluded.artifact_type, annotations = excluded.annotations, pushed_at = excluded.created_at
        RETURNING id, trash_id";
    REFER_TO_BLOBS = "INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id)
        SELECT CAST($2 AS BIGINT), b.id, l.repository_id FROM json_each($3) j CROSS JOIN blobs b CROSS JOIN repository_blobs l
        WHERE b.digest = j.value AND l.repository_id = $1 AND l.blob_id = b.id
        ON CONFLICT (manifest_id, blob_id) DO NOTHING";
    /// Absent children too, so that they are children as soon as they are pushed.
    REFER_TO_CHILDREN = "INSERT INTO manifest_children (repository_id, digest, manifest_id)
        SELECT CAST($1 AS BIGINT), j.value, CAST($2 AS BIGINT) FROM json_each($3) j WHERE TRUE
        ON CONFLICT (repository_id, digest, manifest_id) DO NOTHING";
    RENEW_LEASES = "UPDATE blobs SET state = 0, lease_until = CASE WHEN lease_until > $2 THEN lease_until ELSE $2 END
        WHERE id IN (SELECT blob_id FROM manifest_blobs WHERE manifest_id = $1)";
    MOVE_TAGS = "INSERT INTO tags (repository_id, name, manifest_id, updated_at, changed_by, cause, recorded_at)
        SELECT CAST($1 AS BIGINT), j.value, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($3 AS BIGINT)
        FROM json_each($4) j WHERE TRUE
        ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id, updated_at = excluded.updated_at,
            changed_by = excluded.changed_by, cause = excluded.cause, recorded_at = excluded.recorded_at
        WHERE tags.manifest_id <> excluded.manifest_id";
}

/// No row has this number.
const NOWHERE: i64 = -1;

fn nowhere() -> (i64, Membership) {
    (NOWHERE, Membership::default())
}

/// When a manifest is put, and until when the blobs that it refers to are leased.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) now: i64,
    pub(super) leased_until: i64,
}

/// Checks, stores and moves the tags.
pub(super) async fn put<S: Session>(
    session: &mut S,
    repository: RepositoryName,
    manifest: NewManifest,
    Times { now, leased_until }: Times,
    change: Change,
) -> Result<Written<PutOutcome>, StorageError> {
    let (existing, mut membership) = repositories::lock_counted(session, &repository).await?.unwrap_or_else(nowhere);
    if !holds(session, existing, &manifest).await? {
        return Ok(Written::without_effects(PutOutcome::PreconditionFailed));
    }
    let missing = missing(session, existing, &manifest).await?;
    if !missing.is_empty() {
        return Ok(Written::without_effects(PutOutcome::Missing(missing)));
    }
    let id = match existing {
        NOWHERE => {
            let id = repositories::create(session, &repository, now).await?;
            membership = membership::membership(session, id).await?;
            id
        }
        existing => existing,
    };
    let charged = charge::to_charge(session, id, &membership, &manifest.digest).await?;
    let stored = store(session, (id, &repository), &manifest, now).await?;
    refer(session, id, stored, &manifest, leased_until).await?;
    if manifest.tags.is_empty() {
        enqueue::postpone(session, id, &manifest.digest, leased_until).await?;
        charge::admit(session, id, &charged, stored).await?;
        return Ok(Written::with(Effects::adds_to(repository), PutOutcome::Stored));
    }
    let targets = (manifest.tags.as_slice(), stored);
    let moved = tag_history::end_targets(session, (id, &repository), targets, (&change, now)).await?;
    immutable::require_mutable_tags(session, (id, &moved), (&change.protection, now)).await?;
    enqueue::targets(session, id, &moved, Some(stored), now).await?;
    point_tags(session, (id, stored), &manifest.tags, (&change, now)).await?;
    charge::admit(session, id, &charged, stored).await?;
    let effects = if moved.is_empty() { Effects::adds_to(repository) } else { Effects::changes(repository) };
    Ok(Written::with(effects, PutOutcome::Stored))
}

/// Lets tags point to a manifest.
pub(super) async fn point_tags<S: Session>(
    session: &mut S,
    (repository, manifest): (i64, i64),
    tags: &[Tag],
    (change, now): (&Change, i64),
) -> Result<(), StorageError> {
    let values = values![repository, manifest, now, list(tags), change.by.as_str(), change.cause.as_str()];
    session.run(MOVE_TAGS, values).await?;
    Ok(())
}

/// Whether the precondition holds of the first tag; of the manifest itself where it is put by digest alone.
async fn holds<S: Session>(session: &mut S, repository: i64, manifest: &NewManifest) -> Result<bool, StorageError> {
    if manifest.precondition == Precondition::Always {
        return Ok(true);
    }
    let current = match manifest.tags.first() {
        Some(tag) => session.first(TAG_TARGET, values![repository, tag]).await?,
        None => session.first(MANIFEST, values![repository, &manifest.digest]).await?,
    };
    let current: Option<Digest> = current.map(|found| found.parsed("digest")).transpose()?;
    Ok(match &manifest.precondition {
        Precondition::Always => true,
        Precondition::Exists => current.is_some(),
        Precondition::Absent => current.is_none(),
        Precondition::PointsToAny(digests) => current.is_some_and(|current| digests.contains(&current)),
    })
}

/// What the manifest needs and the repository does not have, each once, in the manifest's order.
async fn missing<S: Session>(
    session: &mut S,
    repository: i64,
    manifest: &NewManifest,
) -> Result<Vec<Digest>, StorageError> {
    let mut missing = Vec::new();
    let mut seen = HashSet::new();
    let children: &[Digest] = if manifest.may_be_sparse { &[] } else { &manifest.children };
    for (statement, digests) in [(MISSING_BLOBS, manifest.blobs.as_slice()), (MISSING_CHILDREN, children)] {
        if digests.is_empty() {
            continue;
        }
        for found in session.all(statement, values![repository, list(digests)]).await? {
            let digest: Digest = found.parsed("digest")?;
            if seen.insert(digest.clone()) {
                missing.push(digest);
            }
        }
    }
    Ok(missing)
}

/// The manifest's number. One that was in the trash is there again.
async fn store<S: Session>(
    session: &mut S,
    (repository, name): (i64, &RepositoryName),
    manifest: &NewManifest,
    now: i64,
) -> Result<i64, StorageError> {
    let values = values![
        repository,
        &manifest.digest,
        manifest.media_type.as_str(),
        stored(manifest.content.len() as u64)?,
        manifest.subject.as_ref().map(Digest::to_string),
        manifest.artifact_type.clone(),
        now,
        manifest.annotations.clone(),
        manifest.content.as_ref(),
    ];
    let found = only(session, STORE, values).await?;
    let id = found.integer("id")?;
    if let Some(trash) = found.optional_integer("trash_id")? {
        trash::restore::revive(session, name, (id, trash)).await?;
    }
    Ok(id)
}

/// Records the references and renews the leases of the blobs among them.
async fn refer<S: Session>(
    session: &mut S,
    repository: i64,
    id: i64,
    manifest: &NewManifest,
    leased_until: i64,
) -> Result<(), StorageError> {
    let (blobs, children) = (&manifest.blobs, &manifest.children);
    if !children.is_empty() {
        session.run(REFER_TO_CHILDREN, values![repository, id, list(children)]).await?;
    }
    if !blobs.is_empty() || !children.is_empty() {
        session.run(REFER_TO_BLOBS, values![repository, id, list(blobs.iter().chain(children))]).await?;
        session.run(RENEW_LEASES, values![id, leased_until]).await?;
    }
    Ok(())
}
