//! Purging a repository, and all of its name in the trash.

use std::collections::BTreeSet;

use super::{Order, contents, record};
use crate::domain::RepositoryName;
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::Purged;
use crate::storage::metadata::sql::engine::{Session, only};
use crate::storage::metadata::sql::quotas::charge;
use crate::storage::metadata::sql::repositories::{KEEP_GENERATION, REMOVE_ROW, REMOVE_UPLOADS, lock, lock_row};
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::values;
use crate::storage::metadata::sql::{Written, holds};

statements! {
    IN_TRASH = "SELECT repository_id FROM trash WHERE repository = $1 AND kind = 2";
    MANIFESTS = "SELECT COUNT(*) AS manifests FROM manifests WHERE repository_id = $1";
    LINKED = "SELECT blob_id FROM repository_blobs WHERE repository_id = $1";
    REFERRED_TO = "SELECT blob_id FROM manifest_blobs WHERE repository_id = $1";
}

/// Purges the repository.
pub(super) async fn purge<S: Session>(
    session: &mut S,
    repository: RepositoryName,
    order: Order,
) -> Result<Written<Option<Purged>>, StorageError> {
    let live = lock(session, &repository).await?;
    if live.is_some() {
        holds::require_free_repository(session, &repository).await?;
        session.run(KEEP_GENERATION, values![&repository]).await?;
        session.run(REMOVE_UPLOADS, values![&repository]).await?;
    }
    let deleted = session.all(IN_TRASH, values![&repository]).await?;
    let deleted = deleted.iter().map(|found| found.integer("repository_id")).collect::<Result<Vec<i64>, _>>()?;
    if live.is_none() && deleted.is_empty() {
        return Ok(Written::without_effects(None));
    }
    let (mut purged, mut blobs) = (Purged::default(), BTreeSet::new());
    for row in live.into_iter().chain(deleted) {
        lock_row(session, row).await?;
        purged.manifests += only(session, MANIFESTS, values![row]).await?.unsigned::<u64>("manifests")?;
        for statement in [LINKED, REFERRED_TO] {
            for found in session.all(statement, values![row]).await? {
                blobs.insert(found.integer("blob_id")?);
            }
        }
        charge::release_all(session, row).await?;
        session.run(REMOVE_ROW, values![row]).await?;
    }
    let blobs: Vec<i64> = blobs.into_iter().collect();
    contents::doom(session, &blobs, order.now, &mut purged).await?;
    record(session, (&repository, None), &order, &purged).await?;
    Ok(Written::with(Effects::changes(repository), Some(purged)))
}
