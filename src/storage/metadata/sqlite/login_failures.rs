//! Wrong passwords, in the row of their user or of an unknown name: one small write for each, shared in its commit.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqliteExecutor};

use super::SqliteMetadata;
use super::statement::statements;
use crate::domain::AccountName;
use crate::storage::StorageError;
use crate::storage::metadata::{FailureRecord, LoginFailures, LoginName, UNKNOWN_NAMES};

statements! {
    FIND = "SELECT failed_at, failed_in_row FROM users WHERE name = $1";
    SET = "UPDATE users SET failed_at = $2, failed_in_row = $3 WHERE name = $1";
    END_ROW = "UPDATE users SET failed_in_row = 0 WHERE name = $1";
    FIND_UNKNOWN = "SELECT failed_at, failed_in_row FROM unknown_logins WHERE name_hash = $1";
    REMOVE_UNKNOWN = "DELETE FROM unknown_logins WHERE name_hash = $1";
    ADD_UNKNOWN = "INSERT INTO unknown_logins (name_hash, failed_at, failed_in_row, last_at) VALUES ($1, $2, $3, $4)";
    REMOVE_OLD = "DELETE FROM unknown_logins WHERE last_at <= $1";
    REMOVE_FIRST = "DELETE FROM unknown_logins WHERE id <= $1";
    CLEAR = "UPDATE users SET failed_at = NULL, failed_in_row = 0 WHERE name = $1";
}

#[async_trait]
impl LoginFailures for SqliteMetadata {
    async fn add_login_failure(&self, name: &LoginName, at: i64, since: i64) -> Result<(), StorageError> {
        let name = name.clone();
        self.write(move |connection| {
            Box::pin(async move {
                // Both are looked for in any case, so that neither takes longer.
                let account = name.account.as_ref().map_or("", AccountName::as_str);
                let known = sqlx::query(FIND).bind(account).fetch_optional(&mut *connection).await?;
                let unknown = find_unknown(&mut *connection, &name.hash).await?;
                let mut failures = known.as_ref().map(read).transpose()?.unwrap_or(unknown);
                failures.add(at, since);
                if known.is_none() {
                    return replace_unknown(connection, &name.hash, &failures, (at, since)).await;
                }
                let set = sqlx::query(SET).bind(account).bind(times(&failures)).bind(failures.in_row);
                set.execute(connection).await?;
                Ok(())
            })
        })
        .await
    }

    async fn unknown_login_failures(&self, name: &LoginName) -> Result<FailureRecord, StorageError> {
        find_unknown(&self.readers, &name.hash).await
    }

    async fn end_failures_in_row(&self, name: &AccountName) -> Result<(), StorageError> {
        let name = name.clone();
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(END_ROW).bind(name.as_str()).execute(connection).await?;
                Ok(())
            })
        })
        .await
    }

    async fn clear_login_failures(&self, name: &AccountName) -> Result<bool, StorageError> {
        let name = name.clone();
        self.write(move |connection| {
            Box::pin(async move {
                let cleared = sqlx::query(CLEAR).bind(name.as_str()).execute(connection).await?;
                Ok(cleared.rows_affected() > 0)
            })
        })
        .await
    }
}

async fn find_unknown<'c>(executor: impl SqliteExecutor<'c>, hash: &[u8]) -> Result<FailureRecord, StorageError> {
    let found = sqlx::query(FIND_UNKNOWN).bind(hash).fetch_optional(executor).await?;
    Ok(found.as_ref().map(read).transpose()?.unwrap_or_default())
}

/// Stores the failures of an unknown name in a new row, the last; what is old, or one too many, goes from the other end.
async fn replace_unknown(
    connection: &mut SqliteConnection,
    hash: &[u8],
    failures: &FailureRecord,
    (at, since): (i64, i64),
) -> Result<(), StorageError> {
    sqlx::query(REMOVE_UNKNOWN).bind(hash).execute(&mut *connection).await?;
    let add = sqlx::query(ADD_UNKNOWN).bind(hash).bind(times(failures)).bind(failures.in_row).bind(at);
    let last = add.execute(&mut *connection).await?.last_insert_rowid();
    sqlx::query(REMOVE_OLD).bind(since).execute(&mut *connection).await?;
    sqlx::query(REMOVE_FIRST).bind(last.saturating_sub(i64::from(UNKNOWN_NAMES))).execute(connection).await?;
    Ok(())
}

fn times(failures: &FailureRecord) -> String {
    serde_json::json!(failures.at).to_string()
}

/// The failures in a row of `users` or `unknown_logins`.
pub(super) fn read(found: &SqliteRow) -> Result<FailureRecord, StorageError> {
    let at = found.try_get::<Option<&str>, _>("failed_at")?.map(serde_json::from_str).transpose();
    let at = at.map_err(|error| {
        StorageError::Damaged(format!(
            "a row of the metadata database, column 'failed_at': {error}; portcullis user unlock"
        ))
    })?;
    Ok(FailureRecord { at: at.unwrap_or_default(), in_row: found.try_get("failed_in_row")? })
}
