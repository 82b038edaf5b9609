//! The one row of `meta`: the policy's version, the epochs of users, and a place to write to for readiness.

use sqlx::{Row, SqliteConnection, SqlitePool};

use super::now;
use super::statement::statements;
use crate::storage::StorageError;

statements! {
    VERSION = "SELECT policy_version FROM meta WHERE id = 1";
    BUMP = "UPDATE meta SET policy_version = policy_version + 1 WHERE id = 1";
    NEXT_EPOCH = "UPDATE meta SET last_epoch = last_epoch + 1 WHERE id = 1 RETURNING last_epoch";
    IS_NEW = "SELECT last_epoch = 0 FROM meta WHERE id = 1";
    TOUCH = "UPDATE meta SET pinged_at = $1 WHERE id = 1";
    pub(super) BEGIN = "INSERT INTO meta (id, instance, policy_version, last_epoch, pinged_at) VALUES (1, $1, 1, 0, 0)
        ON CONFLICT (id) DO NOTHING";
}

pub(super) async fn version(readers: &SqlitePool) -> Result<i64, StorageError> {
    Ok(sqlx::query(VERSION).fetch_one(readers).await?.try_get(0)?)
}

/// Whether no user was ever added.
pub(super) async fn is_new(readers: &SqlitePool) -> Result<bool, StorageError> {
    Ok(sqlx::query(IS_NEW).fetch_one(readers).await?.try_get(0)?)
}

/// Tells every process to read policy again.
pub(super) async fn bump(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    sqlx::query(BUMP).execute(connection).await?;
    Ok(())
}

/// An epoch that no user ever had.
pub(super) async fn next_epoch(connection: &mut SqliteConnection) -> Result<i64, StorageError> {
    Ok(sqlx::query(NEXT_EPOCH).fetch_one(connection).await?.try_get(0)?)
}

/// Writes something, so that a full or read-only disk shows.
pub(super) async fn touch(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    sqlx::query(TOUCH).bind(now()).execute(connection).await?;
    Ok(())
}
