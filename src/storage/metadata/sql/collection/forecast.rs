//! What the collector would remove: the reviews of [`super::review`] without their writes. What would be deleted is kept in memory, and all
//! else read, so that no write waits for it, however long it takes.

use std::collections::HashSet;
use std::time::Duration;

use crate::domain::Digest;
use crate::storage::StorageError;
use crate::storage::metadata::sql::engine::{Engine, RowOf, row_missing};
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::{Value, after, values};
use crate::storage::metadata::{CollectionForecast, ReviewKind};

/// How many rows are read at a time.
const PAGE: u32 = 500;

statements! {
    QUEUE = "SELECT repository_id, digest, review_after FROM collection_queue
        WHERE kind = $1 AND (repository_id, digest) > ($2, $3) ORDER BY repository_id, digest LIMIT $4";
    KEPT_BY = "SELECT m.id,
            CAST(CASE WHEN m.trash_id IS NOT NULL OR r.trash_id IS NOT NULL
                    OR EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id)
                    OR EXISTS (SELECT 1 FROM trash t WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
                    OR EXISTS (SELECT 1 FROM holds h WHERE h.tag = '' AND h.repository = r.name)
                THEN 1 ELSE 0 END AS BIGINT) AS kept,
            COALESCE((SELECT s.id FROM manifests s WHERE s.repository_id = m.repository_id AND s.digest = m.subject), 0) AS subject
        FROM manifests m JOIN repositories r ON r.id = m.repository_id WHERE m.repository_id = $1 AND m.digest = $2";
    PARENTS = "SELECT manifest_id AS id FROM manifest_children WHERE repository_id = $1 AND digest = $2 AND manifest_id > $3
        ORDER BY manifest_id LIMIT $4";
    CHILDREN_OF = "SELECT digest FROM manifest_children WHERE manifest_id = $1";
    REFERRERS_OF = "SELECT digest FROM manifests WHERE repository_id = $1 AND subject = $2";
    BLOBS_OF = "SELECT b.digest FROM manifest_blobs r JOIN blobs b ON b.id = r.blob_id WHERE r.manifest_id = $1";
    /// Of a repository in the trash, none: its links stay.
    LINKED_BLOB = "SELECT b.id, b.lease_until FROM blobs b JOIN repository_blobs l ON l.blob_id = b.id
            JOIN repositories r ON r.id = l.repository_id AND r.trash_id IS NULL
        WHERE b.digest = $2 AND l.repository_id = $1";
    USERS_IN_REPOSITORY = "SELECT r.manifest_id AS id FROM manifest_blobs r JOIN manifests m ON m.id = r.manifest_id
        WHERE r.blob_id = $2 AND m.repository_id = $1 AND r.manifest_id > $3 ORDER BY r.manifest_id LIMIT $4";
    USERS_OF_BLOB = "SELECT manifest_id AS id FROM manifest_blobs WHERE blob_id = $1 AND manifest_id > $2
        ORDER BY manifest_id LIMIT $3";
    LINKS_OF_BLOB = "SELECT repository_id, repository_name FROM repository_blobs WHERE blob_id = $1 AND repository_name > $2
        ORDER BY repository_name LIMIT $3";
    BLOB = "SELECT id, size, lease_until FROM blobs WHERE digest = $1";
    DOOMED_BYTES = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes FROM doomed_contents";
}

/// What has been found so far.
struct Forecast<'e, E> {
    engine: &'e E,
    now: i64,
    manifests: HashSet<i64>,
    links: HashSet<(i64, i64)>,
    /// To be checked.
    linked: HashSet<(i64, Digest)>,
    unlinked: HashSet<Digest>,
}

/// What a collection would remove that begins now and keeps manifests for `keep`; later what it marks.
pub(super) async fn forecast<E: Engine>(
    engine: &E,
    keep: Duration,
    now: i64,
) -> Result<CollectionForecast, StorageError> {
    let (manifests, links, linked, unlinked) = Default::default();
    let mut found = Forecast { engine, now, manifests, links, linked, unlinked };
    found.follow(found.due(ReviewKind::Manifest, now.saturating_sub(after(0, keep))).await?).await?;
    found.linked.extend(found.due(ReviewKind::Link, now).await?);
    found.unlink().await?;
    let marked = found.due(ReviewKind::Removal, i64::MAX).await?;
    let unlinked = found.due(ReviewKind::Blob, now).await?;
    found.unlinked.extend(marked.into_iter().chain(unlinked).map(|(_, digest)| digest));
    let (blobs, bytes) = found.unused().await?;
    let doomed = engine.first(DOOMED_BYTES, values![]).await?.ok_or_else(row_missing)?.unsigned("bytes")?;
    let repositories: HashSet<i64> = found.links.iter().map(|(repository, _)| *repository).collect();
    Ok(CollectionForecast {
        repositories: repositories.len() as u64,
        manifests: found.manifests.len() as u64,
        links: found.links.len() as u64,
        blobs,
        bytes: bytes.saturating_add(doomed),
    })
}

impl<E: Engine> Forecast<'_, E> {
    /// What of the queue may be reviewed.
    async fn due(&self, kind: ReviewKind, before: i64) -> Result<Vec<(i64, Digest)>, StorageError> {
        let (mut due, mut last) = (Vec::new(), (-1, String::new()));
        loop {
            let page = self.engine.all(QUEUE, values![kind.number(), last.0, last.1.as_str(), PAGE]).await?;
            let Some(end) = page.last() else { return Ok(due) };
            last = (end.integer("repository_id")?, end.text("digest")?.to_owned());
            for found in &page {
                if found.integer("review_after")? <= before {
                    due.push((found.integer("repository_id")?, found.parsed("digest")?));
                }
            }
        }
    }

    /// Manifests, and those that only they keep.
    async fn follow(&mut self, mut waiting: Vec<(i64, Digest)>) -> Result<(), StorageError> {
        while let Some((repository, digest)) = waiting.pop() {
            let Some(found) = self.engine.first(KEPT_BY, values![repository, &digest]).await? else { continue };
            let (id, subject) = (found.integer("id")?, found.integer("subject")?);
            let is_attached = subject > 0 && !self.manifests.contains(&subject);
            if self.manifests.contains(&id) || found.boolean("kept")? || is_attached {
                continue;
            }
            if self.is_used(PARENTS, values![repository, &digest]).await? {
                continue;
            }
            self.manifests.insert(id);
            for found in self.engine.all(BLOBS_OF, values![id]).await? {
                self.linked.insert((repository, found.parsed("digest")?));
            }
            let children = self.engine.all(CHILDREN_OF, values![id]).await?;
            let referrers = self.engine.all(REFERRERS_OF, values![repository, &digest]).await?;
            for found in children.iter().chain(&referrers) {
                waiting.push((repository, found.parsed("digest")?));
            }
        }
        Ok(())
    }

    /// Whether a manifest that stays is among those that the statement finds, page by page.
    async fn is_used(&self, sql: &'static str, of: Vec<Value>) -> Result<bool, StorageError> {
        let mut last = 0;
        loop {
            let page = self.engine.all(sql, [of.clone(), values![last, PAGE]].concat()).await?;
            let Some(end) = page.last() else { return Ok(false) };
            last = end.integer("id")?;
            let ids: Vec<i64> = page.iter().map(|found| found.integer("id")).collect::<Result<_, _>>()?;
            if ids.iter().any(|id| !self.manifests.contains(id)) {
                return Ok(true);
            }
        }
    }

    /// Links that nothing needs any more.
    async fn unlink(&mut self) -> Result<(), StorageError> {
        for (repository, digest) in std::mem::take(&mut self.linked) {
            if let Some(found) = self.engine.first(LINKED_BLOB, values![repository, &digest]).await? {
                let blob = found.integer("id")?;
                let is_leased = found.integer("lease_until")? > self.now;
                if is_leased || self.is_used(USERS_IN_REPOSITORY, values![repository, blob]).await? {
                    continue;
                }
                self.links.insert((repository, blob));
            }
            self.unlinked.insert(digest);
        }
        Ok(())
    }

    /// How many of the blobs nothing needs any more, and their bytes.
    async fn unused(&self) -> Result<(u64, u64), StorageError> {
        let (mut blobs, mut bytes) = (0, 0_u64);
        for digest in &self.unlinked {
            let Some(found) = self.engine.first(BLOB, values![digest]).await? else { continue };
            let id = found.integer("id")?;
            if found.integer("lease_until")? > self.now || self.is_linked(id).await? {
                continue;
            }
            if !self.is_used(USERS_OF_BLOB, values![id]).await? {
                blobs += 1;
                bytes = bytes.saturating_add(found.unsigned("size")?);
            }
        }
        Ok((blobs, bytes))
    }

    async fn is_linked(&self, blob: i64) -> Result<bool, StorageError> {
        let mut last = String::new();
        loop {
            let page: Vec<RowOf<E>> = self.engine.all(LINKS_OF_BLOB, values![blob, last.as_str(), PAGE]).await?;
            let Some(end) = page.last() else { return Ok(false) };
            last = end.text("repository_name")?.to_owned();
            for found in &page {
                if !self.links.contains(&(found.integer("repository_id")?, blob)) {
                    return Ok(true);
                }
            }
        }
    }
}
