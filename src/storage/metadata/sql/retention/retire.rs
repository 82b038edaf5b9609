//! Removes what retention does not keep, as a client's DELETE does, unless the repository has changed since that was decided.

use crate::domain::{Digest, RepositoryName};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::Retired;
use crate::storage::metadata::sql::Written;
use crate::storage::metadata::sql::collection::enqueue;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::manifests;
use crate::storage::metadata::sql::row::Columns;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::value::{list, values};

statements! {
    /// As [`crate::storage::metadata::sql::repositories::lock`], if it has this generation.
    LOCK_UNCHANGED = "UPDATE repositories SET generation = generation WHERE name = $1 AND generation = $2 RETURNING id";
    DELETE_TAGS = "DELETE FROM tags WHERE repository_id = $1 AND name IN (SELECT j.value FROM json_each($2) j)";
    MANIFEST_ID = "SELECT id FROM manifests WHERE repository_id = $1 AND digest = $2";
}

pub(super) async fn retire<S: Session>(
    session: &mut S,
    (repository, generation): (RepositoryName, i64),
    retired: Retired,
    now: i64,
) -> Result<Written<bool>, StorageError> {
    let Some(found) = session.first(LOCK_UNCHANGED, values![&repository, generation]).await? else {
        return Ok(Written::without_effects(false));
    };
    let id = found.integer("id")?;
    enqueue::targets(session, id, &retired.tags, None, now).await?;
    session.run(DELETE_TAGS, values![id, list(&retired.tags)]).await?;
    for digest in &retired.manifests {
        delete_manifest(session, id, digest, now).await?;
    }
    Ok(Written::with(Effects::changes(repository), true))
}

async fn delete_manifest<S: Session>(
    session: &mut S,
    repository: i64,
    digest: &Digest,
    now: i64,
) -> Result<(), StorageError> {
    if let Some(found) = session.first(MANIFEST_ID, values![repository, digest]).await? {
        manifests::delete(session, repository, (found.integer("id")?, digest), now).await?;
    }
    Ok(())
}
