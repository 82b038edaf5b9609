//! Carries out the effects of a write, in its transaction.

use super::engine::Session;
use super::moves;
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use crate::storage::StorageError;
use crate::storage::coordination::Effects;

statements! {
    RAISE_POLICY_VERSION = "UPDATE meta SET policy_version = policy_version + 1 WHERE id = 1 RETURNING move_phase";
    /// With the phase of a move, so that asking for it costs no statement of its own.
    RAISE_GENERATION = "UPDATE repositories SET generation = generation + 1 WHERE name = $1
        RETURNING (SELECT move_phase FROM meta WHERE id = 1) AS move_phase";
}

/// After the operation, before the commit. Nothing is committed that a move to other storage forbids.
pub(super) async fn apply<S: Session>(session: &mut S, effects: Effects) -> Result<(), StorageError> {
    let mut is_settled = effects.even_while_moving || (!effects.policy && effects.repository.is_none());
    if effects.policy {
        let raised = session.first(RAISE_POLICY_VERSION, values![]).await?;
        is_settled |= raised.is_some_and(|raised| raised.integer("move_phase").ok() == Some(0));
    }
    if let Some(repository) = &effects.repository {
        let raised = session.first(RAISE_GENERATION, values![repository]).await?;
        is_settled |= raised.is_some_and(|raised| raised.integer("move_phase").ok() == Some(0));
    }
    // A repository that was removed has no row.
    if is_settled { Ok(()) } else { moves::require_settled(session).await }
}
