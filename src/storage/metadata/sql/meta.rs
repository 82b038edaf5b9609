//! The one row of `meta`: the epochs of users, and a place to write to for readiness.

use super::Written;
use super::engine::{Engine, Session, only, row_missing};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use crate::storage::StorageError;

statements! {
    NEXT_EPOCH = "UPDATE meta SET last_epoch = last_epoch + 1 WHERE id = 1 RETURNING last_epoch";
    /// Zero where no user was ever added.
    pub(in crate::storage::metadata) LAST_EPOCH = "SELECT last_epoch FROM meta WHERE id = 1";
    LOCK = "UPDATE meta SET policy_version = policy_version WHERE id = 1";
    TOUCH = "UPDATE meta SET pinged_at = $1 WHERE id = 1";
    /// Where a database was just made; what it is called is drawn by its maker.
    pub(in crate::storage::metadata) BEGIN = "INSERT INTO meta (id, instance, policy_version, last_epoch, pinged_at) VALUES (1, $1, 1, 0, 0)
        ON CONFLICT (id) DO NOTHING";
    /// Which programs may not open the database.
    pub(in crate::storage::metadata) FLOOR = "SELECT min_schema, min_version FROM meta WHERE id = 1";
    pub(in crate::storage::metadata) RAISE_FLOOR = "UPDATE meta SET min_schema = $1, min_version = $2 WHERE id = 1 AND min_schema < $1";
}

/// Whether no user was ever added.
pub(super) async fn is_new<E: Engine>(engine: &E) -> Result<bool, StorageError> {
    let found = engine.first(LAST_EPOCH, values![]).await?.ok_or_else(row_missing)?;
    Ok(found.integer("last_epoch")? == 0)
}

/// The same within a transaction.
pub(super) async fn has_no_epoch<S: Session>(session: &mut S) -> Result<bool, StorageError> {
    Ok(only(session, LAST_EPOCH, values![]).await?.integer("last_epoch")? == 0)
}

/// An epoch that no user ever had.
pub(super) async fn next_epoch<S: Session>(session: &mut S) -> Result<i64, StorageError> {
    only(session, NEXT_EPOCH, values![]).await?.integer("last_epoch")
}

/// Until the end of this transaction no other one changes users, grants or keys.
pub(super) async fn lock<S: Session>(session: &mut S) -> Result<(), StorageError> {
    session.run(LOCK, values![]).await?;
    Ok(())
}

/// Writes something, so that a full or read-only disk shows.
pub(super) async fn touch<S: Session>(session: &mut S, now: i64) -> Result<Written<()>, StorageError> {
    session.run(TOUCH, values![now]).await?;
    Ok(Written::without_effects(()))
}
