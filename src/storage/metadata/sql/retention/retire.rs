//! Removes what retention does not keep, as a client's DELETE does, unless the repository has changed since that was decided.

use crate::domain::RepositoryName;
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::sql::Written;
use crate::storage::metadata::sql::engine::Session;
use crate::storage::metadata::sql::statement::statements;
use crate::storage::metadata::sql::trash::discard;
use crate::storage::metadata::sql::value::values;
use crate::storage::metadata::{Change, Retired};

statements! {
    /// The repository is locked, if it has this generation.
    LOCK_UNCHANGED = "UPDATE repositories SET generation = generation WHERE name = $1 AND generation = $2 RETURNING id";
}

pub(super) async fn retire<S: Session>(
    session: &mut S,
    (repository, generation): (RepositoryName, i64),
    retired: Retired,
    (change, now): (Change, i64),
) -> Result<Written<bool>, StorageError> {
    if session.first(LOCK_UNCHANGED, values![&repository, generation]).await?.is_none() {
        return Ok(Written::without_effects(false));
    }
    // The repository changes once, however much is removed.
    for tag in retired.tags {
        discard::tag(session, (repository.clone(), tag), (change.clone(), now)).await?;
    }
    for digest in retired.manifests {
        discard::manifest(session, (repository.clone(), digest), (change.clone(), now)).await?;
    }
    Ok(Written::with(Effects::changes(repository), true))
}
