//! Purging a manifest, with those of its children and referrers that nothing else needs.

use std::collections::BTreeSet;

use super::{Order, contents, record};
use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::Purged;
use crate::storage::metadata::sql::collection::is_manifest_needed;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::quotas::charge;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::values;
use crate::storage::metadata::sql::{Written, holds, repositories, tag_history};

statements! {
    ANY = "SELECT id FROM manifests WHERE repository_id = $1 AND digest = $2";
    RELATED = "SELECT c.digest FROM manifest_children c WHERE c.manifest_id = $1
        UNION ALL SELECT m.digest FROM manifests m WHERE m.repository_id = $2 AND m.subject = $3";
    BLOBS = "SELECT blob_id FROM manifest_blobs WHERE manifest_id = $1";
    FORGET_TRASH = "DELETE FROM trash WHERE repository_id = $1 AND digest = $2";
    DELETE = "DELETE FROM manifests WHERE id = $1";
}

/// Purges the manifest.
pub(super) async fn purge<S: Session>(
    session: &mut S,
    (repository, digest): (RepositoryName, Digest),
    order: Order,
) -> Result<Written<Option<Purged>>, StorageError> {
    let Some(id) = repositories::lock(session, &repository).await? else {
        return Ok(Written::without_effects(None));
    };
    let Some(found) = session.first(ANY, values![id, &digest]).await? else {
        return Ok(Written::without_effects(None));
    };
    let manifest = found.integer("id")?;
    holds::require_free_manifests(session, (id, &repository), vec![(manifest, digest.clone())]).await?;
    tag_history::end_targets_of_manifest(session, manifest, (&order.change, order.now)).await?;
    session.run(FORGET_TRASH, values![id, &digest]).await?;
    let (mut purged, mut blobs) = (Purged::default(), BTreeSet::new());
    let mut left = vec![digest.clone()];
    while let Some(next) = left.pop() {
        if next != digest && is_manifest_needed(session, id, &next).await? {
            continue;
        }
        left.extend(remove(session, id, &next, (&mut purged, &mut blobs)).await?);
    }
    let blobs: Vec<i64> = blobs.into_iter().collect();
    contents::unlink(session, id, &blobs).await?;
    contents::doom(session, &blobs, order.now, &mut purged).await?;
    record(session, (&repository, Some(&digest)), &order, &purged).await?;
    Ok(Written::with(Effects::changes(repository), Some(purged)))
}

/// Removes a manifest; returns those that it listed or that refer to it.
async fn remove<S: Session>(
    session: &mut S,
    repository: i64,
    digest: &Digest,
    (purged, blobs): (&mut Purged, &mut BTreeSet<i64>),
) -> Result<Vec<Digest>, StorageError> {
    let Some(found) = session.first(ANY, values![repository, digest]).await? else { return Ok(Vec::new()) };
    let manifest = found.integer("id")?;
    for found in session.all(BLOBS, values![manifest]).await? {
        blobs.insert(found.integer("blob_id")?);
    }
    let related = session.all(RELATED, values![manifest, repository, digest]).await?;
    charge::release(session, repository, (manifest, digest)).await?;
    session.run(DELETE, values![manifest]).await?;
    purged.manifests += 1;
    related.iter().map(|found| found.parsed("digest")).collect()
}
