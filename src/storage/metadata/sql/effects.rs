//! Carries out the effects of a write, in its transaction.

use super::engine::Session;
use super::statement::statements;
use super::value::values;
use crate::storage::StorageError;
use crate::storage::coordination::Effects;

statements! {
    RAISE_POLICY_VERSION = "UPDATE meta SET policy_version = policy_version + 1 WHERE id = 1";
    RAISE_GENERATION = "UPDATE repositories SET generation = generation + 1 WHERE name = $1";
}

/// After the operation, before the commit.
pub(super) async fn apply<S: Session>(session: &mut S, effects: Effects) -> Result<(), StorageError> {
    if effects.policy {
        session.run(RAISE_POLICY_VERSION, values![]).await?;
    }
    if let Some(repository) = &effects.repository {
        session.run(RAISE_GENERATION, values![repository]).await?;
    }
    Ok(())
}
