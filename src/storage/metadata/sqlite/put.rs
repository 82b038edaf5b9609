//! Putting a manifest: what it refers to is checked in the transaction that stores it and moves the tags.

use std::collections::HashSet;

use sqlx::{Row, SqliteConnection};

use super::links::LEASE;
use super::statement::statements;
use super::{now, repositories, row};
use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::{NewManifest, Precondition, PutOutcome};

statements! {
    TAG_TARGET = "SELECT m.digest FROM tags t JOIN manifests m ON m.id = t.manifest_id WHERE t.repository_id = $1 AND t.name = $2";
    MANIFEST = "SELECT digest FROM manifests WHERE repository_id = $1 AND digest = $2";
    MISSING_BLOBS = "SELECT j.value AS digest FROM json_each($2) j WHERE NOT EXISTS (
            SELECT 1 FROM blobs b CROSS JOIN repository_blobs l
            WHERE b.digest = j.value AND l.repository_id = $1 AND l.blob_id = b.id)";
    MISSING_CHILDREN = "SELECT j.value AS digest FROM json_each($2) j WHERE NOT EXISTS (
            SELECT 1 FROM manifests m WHERE m.repository_id = $1 AND m.digest = j.value) AND NOT EXISTS (
            SELECT 1 FROM blobs b CROSS JOIN repository_blobs l
            WHERE b.digest = j.value AND l.repository_id = $1 AND l.blob_id = b.id)";
    /// The same bytes may be put with another media type where they name none: the last one counts.
    STORE = "INSERT INTO manifests
            (repository_id, digest, media_type, size, subject, artifact_type, created_at, annotations, content)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (repository_id, digest) DO UPDATE SET
            media_type = excluded.media_type, subject = excluded.subject,
            artifact_type = excluded.artifact_type, annotations = excluded.annotations
        RETURNING id";
    REFER_TO_BLOBS = "INSERT INTO manifest_blobs (manifest_id, blob_id)
        SELECT $2, b.id FROM json_each($3) j CROSS JOIN blobs b CROSS JOIN repository_blobs l
        WHERE b.digest = j.value AND l.repository_id = $1 AND l.blob_id = b.id
        ON CONFLICT (manifest_id, blob_id) DO NOTHING";
    /// Absent children too, so that they are children as soon as they are pushed.
    REFER_TO_CHILDREN = "INSERT INTO manifest_children (repository_id, digest, manifest_id)
        SELECT $1, j.value, $2 FROM json_each($3) j WHERE TRUE
        ON CONFLICT (repository_id, digest, manifest_id) DO NOTHING";
    RENEW_LEASES = "UPDATE blobs SET state = 0, lease_until = CASE WHEN lease_until > $2 THEN lease_until ELSE $2 END
        WHERE id IN (SELECT blob_id FROM manifest_blobs WHERE manifest_id = $1)";
    MOVE_TAGS = "INSERT INTO tags (repository_id, name, manifest_id, updated_at)
        SELECT $1, j.value, $2, $3 FROM json_each($4) j WHERE TRUE
        ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id, updated_at = excluded.updated_at
        WHERE tags.manifest_id <> excluded.manifest_id";
}

/// No row has this number.
const NOWHERE: i64 = -1;

pub(super) async fn put(
    connection: &mut SqliteConnection,
    repository: RepositoryName,
    manifest: NewManifest,
) -> Result<PutOutcome, StorageError> {
    let existing = repositories::find(connection, &repository).await?.unwrap_or(NOWHERE);
    if !holds(connection, existing, &manifest).await? {
        return Ok(PutOutcome::PreconditionFailed);
    }
    let missing = missing(connection, existing, &manifest).await?;
    if !missing.is_empty() {
        return Ok(PutOutcome::Missing(missing));
    }
    let repository = match existing {
        NOWHERE => repositories::create(connection, &repository).await?,
        existing => existing,
    };
    repositories::raise_generation(connection, repository).await?;
    let id = store(connection, repository, &manifest).await?;
    refer(connection, repository, id, &manifest).await?;
    sqlx::query(MOVE_TAGS)
        .bind(repository)
        .bind(id)
        .bind(now())
        .bind(row::list(&manifest.tags))
        .execute(connection)
        .await?;
    Ok(PutOutcome::Stored)
}

/// Whether the precondition holds of the first tag; of the manifest itself where it is put by digest alone.
async fn holds(
    connection: &mut SqliteConnection,
    repository: i64,
    manifest: &NewManifest,
) -> Result<bool, StorageError> {
    if manifest.precondition == Precondition::Always {
        return Ok(true);
    }
    let current = match manifest.tags.first() {
        Some(tag) => sqlx::query(TAG_TARGET).bind(repository).bind(tag.as_str()),
        None => sqlx::query(MANIFEST).bind(repository).bind(manifest.digest.to_string()),
    };
    let current = current.fetch_optional(connection).await?;
    let current: Option<Digest> = current.map(|found| row::parsed(&found, "digest")).transpose()?;
    Ok(match &manifest.precondition {
        Precondition::Always => true,
        Precondition::Exists => current.is_some(),
        Precondition::Absent => current.is_none(),
        Precondition::PointsToAny(digests) => current.is_some_and(|current| digests.contains(&current)),
    })
}

/// What the manifest needs and the repository does not have, each once, in the manifest's order.
async fn missing(
    connection: &mut SqliteConnection,
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
        for found in
            sqlx::query(statement).bind(repository).bind(row::list(digests)).fetch_all(&mut *connection).await?
        {
            let digest: Digest = row::parsed(&found, "digest")?;
            if seen.insert(digest.clone()) {
                missing.push(digest);
            }
        }
    }
    Ok(missing)
}

async fn store(
    connection: &mut SqliteConnection,
    repository: i64,
    manifest: &NewManifest,
) -> Result<i64, StorageError> {
    let stored = sqlx::query(STORE)
        .bind(repository)
        .bind(manifest.digest.to_string())
        .bind(manifest.media_type.as_str())
        .bind(row::stored(manifest.content.len() as u64)?)
        .bind(manifest.subject.as_ref().map(Digest::to_string))
        .bind(manifest.artifact_type.as_deref())
        .bind(now())
        .bind(manifest.annotations.as_deref())
        .bind(manifest.content.as_ref())
        .fetch_one(connection)
        .await?;
    Ok(stored.try_get(0)?)
}

/// Records the references and renews the leases of the blobs among them.
async fn refer(
    connection: &mut SqliteConnection,
    repository: i64,
    id: i64,
    manifest: &NewManifest,
) -> Result<(), StorageError> {
    let (blobs, children) = (&manifest.blobs, &manifest.children);
    if !children.is_empty() {
        let query = sqlx::query(REFER_TO_CHILDREN).bind(repository).bind(id).bind(row::list(children));
        query.execute(&mut *connection).await?;
    }
    if !blobs.is_empty() || !children.is_empty() {
        let query = sqlx::query(REFER_TO_BLOBS).bind(repository).bind(id).bind(row::list(blobs.iter().chain(children)));
        query.execute(&mut *connection).await?;
        sqlx::query(RENEW_LEASES).bind(id).bind(now() + LEASE).execute(connection).await?;
    }
    Ok(())
}
