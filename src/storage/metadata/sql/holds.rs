//! Holds, and what asks for them before anything is deleted or moved.

use std::collections::HashSet;

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written, repositories};
use crate::domain::{Digest, RepositoryName, Tag};
use crate::storage::StorageError;
use crate::storage::metadata::{Change, Held, HoldRecord, Holds};

statements! {
    OF_REPOSITORY = "SELECT tag, reason, created_at, created_by FROM holds WHERE repository = $1 ORDER BY tag";
    HOLD = "INSERT INTO holds (repository, tag, reason, created_at, created_by) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (repository, tag) DO UPDATE SET
            reason = excluded.reason, created_at = excluded.created_at, created_by = excluded.created_by";
    RELEASE = "DELETE FROM holds WHERE repository = $1 AND tag = $2";
    TAG = "SELECT manifest_id FROM tags WHERE repository_id = $1 AND name = $2";
    TAGS_OF = "SELECT name FROM tags WHERE manifest_id = $1";
    LISTED_BY = "SELECT p.id, p.digest FROM manifest_children c JOIN manifests p ON p.id = c.manifest_id
        WHERE c.repository_id = $1 AND c.digest = $2";
    REFERRING = "SELECT m.id, m.digest FROM manifest_blobs r JOIN manifests m ON m.id = r.manifest_id
        WHERE r.repository_id = $1 AND r.blob_id = (SELECT id FROM blobs WHERE digest = $2)";
}

/// As a hold on a whole repository is stored.
const WHOLE: &str = "";

#[async_trait]
impl<E: Engine> Holds for SqlMetadata<E> {
    async fn hold(&self, held: Held, change: &Change) -> Result<bool, StorageError> {
        let (now, by) = (self.clock.seconds(), change.by.clone());
        self.write(move |session| {
            Box::pin(async move {
                let Some(id) = repositories::lock(session, &held.repository).await? else {
                    return Ok(Written::without_effects(false));
                };
                if let Some(tag) = &held.tag
                    && session.first(TAG, values![id, tag]).await?.is_none()
                {
                    return Ok(Written::without_effects(false));
                }
                let tag = held.tag.as_ref().map_or(WHOLE, Tag::as_str);
                session.run(HOLD, values![&held.repository, tag, held.reason, now, by]).await?;
                Ok(Written::without_effects(true))
            })
        })
        .await
    }

    async fn release(&self, repository: &RepositoryName, tag: Option<&Tag>) -> Result<bool, StorageError> {
        let values = values![repository, tag.map_or(WHOLE, Tag::as_str)];
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(session.run(RELEASE, values).await? > 0)) })
        })
        .await
    }

    async fn holds_of(&self, repository: &RepositoryName) -> Result<Vec<HoldRecord>, StorageError> {
        let rows = self.engine.all(OF_REPOSITORY, values![repository]).await?;
        rows.iter().map(|found| read(repository, found)).collect()
    }
}

fn read<R: Columns>(repository: &RepositoryName, found: &R) -> Result<HoldRecord, StorageError> {
    let tag = if found.text("tag")? == WHOLE { None } else { Some(found.parsed("tag")?) };
    Ok(HoldRecord {
        held: Held { repository: repository.clone(), tag, reason: found.text("reason")?.to_owned() },
        created_at: found.integer("created_at")?,
        created_by: found.text("created_by")?.to_owned(),
    })
}

/// What is held in a repository.
pub(super) async fn of<S: Session>(session: &mut S, repository: &RepositoryName) -> Result<Vec<Held>, StorageError> {
    let rows = session.all(OF_REPOSITORY, values![repository]).await?;
    rows.iter().map(|found| Ok(read(repository, found)?.held)).collect()
}

/// Refuses where the repository or the tag is held.
pub(super) async fn require_free_tag<S: Session>(
    session: &mut S,
    repository: &RepositoryName,
    tag: &Tag,
) -> Result<(), StorageError> {
    let holds = of(session, repository).await?;
    let held = holds.into_iter().find(|held| held.tag.as_ref().is_none_or(|of| of == tag));
    held.map_or(Ok(()), |held| Err(StorageError::Held(held)))
}

/// Refuses where anything of the repository is held.
pub(super) async fn require_free_repository<S: Session>(
    session: &mut S,
    repository: &RepositoryName,
) -> Result<(), StorageError> {
    of(session, repository).await?.into_iter().next().map_or(Ok(()), |held| Err(StorageError::Held(held)))
}

/// Refuses where the repository is held, or a tag that leads to one of these manifests.
pub(super) async fn require_free_manifests<S: Session>(
    session: &mut S,
    (id, repository): (i64, &RepositoryName),
    manifests: Vec<(i64, Digest)>,
) -> Result<(), StorageError> {
    let holds = of(session, repository).await?;
    if let Some(whole) = holds.iter().find(|held| held.tag.is_none()) {
        return Err(StorageError::Held(whole.clone()));
    }
    if holds.is_empty() {
        return Ok(());
    }
    let (mut left, mut seen) = (manifests, HashSet::new());
    while let Some((manifest, digest)) = left.pop() {
        if !seen.insert(manifest) {
            continue;
        }
        for found in session.all(TAGS_OF, values![manifest]).await? {
            let tag: Tag = found.parsed("name")?;
            if let Some(held) = holds.iter().find(|held| held.tag.as_ref() == Some(&tag)) {
                return Err(StorageError::Held(held.clone()));
            }
        }
        left.extend(rows(&session.all(LISTED_BY, values![id, &digest]).await?)?);
    }
    Ok(())
}

/// The same of the manifests that refer to a blob.
pub(super) async fn require_free_blob<S: Session>(
    session: &mut S,
    (id, repository): (i64, &RepositoryName),
    blob: &Digest,
) -> Result<(), StorageError> {
    let manifests = rows(&session.all(REFERRING, values![id, blob]).await?)?;
    require_free_manifests(session, (id, repository), manifests).await
}

fn rows<R: Columns>(found: &[R]) -> Result<Vec<(i64, Digest)>, StorageError> {
    found.iter().map(|found| Ok((found.integer("id")?, found.parsed("digest")?))).collect()
}
