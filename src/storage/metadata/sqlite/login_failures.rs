//! Wrong passwords, in the row of their user: one small write for each, shared in its commit.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteMetadata;
use super::statement::statements;
use crate::domain::AccountName;
use crate::storage::StorageError;
use crate::storage::metadata::{FailureRecord, LoginFailures};

statements! {
    FIND = "SELECT failed_at, failed_in_row FROM users WHERE name = $1";
    SET = "UPDATE users SET failed_at = $2, failed_in_row = $3 WHERE name = $1";
    END_ROW = "UPDATE users SET failed_in_row = 0 WHERE name = $1";
    /// A number that no other write leaves as it is: one that changes nothing would be committed without a sync, which shows in the time.
    COUNT_FOR_NOBODY = "UPDATE meta SET failed_for_nobody = failed_for_nobody + 1 WHERE id = 1";
    CLEAR = "UPDATE users SET failed_at = NULL, failed_in_row = 0 WHERE name = $1";
}

#[async_trait]
impl LoginFailures for SqliteMetadata {
    async fn add_login_failure(&self, name: &AccountName, at: i64, since: i64) -> Result<(), StorageError> {
        let name = name.clone();
        self.write(move |connection| {
            Box::pin(async move {
                let Some(found) = sqlx::query(FIND).bind(name.as_str()).fetch_optional(&mut *connection).await? else {
                    sqlx::query(COUNT_FOR_NOBODY).execute(connection).await?;
                    return Ok(());
                };
                let mut failures = read(&found)?;
                failures.add(at, since);
                let set = sqlx::query(SET)
                    .bind(name.as_str())
                    .bind(serde_json::json!(failures.at).to_string())
                    .bind(failures.in_row);
                set.execute(connection).await?;
                Ok(())
            })
        })
        .await
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

/// The failures in a row of `users`.
pub(super) fn read(found: &SqliteRow) -> Result<FailureRecord, StorageError> {
    let at = found.try_get::<Option<&str>, _>("failed_at")?.map(serde_json::from_str).transpose();
    let at = at.map_err(|error| {
        StorageError::Damaged(format!(
            "a row of the metadata database, column 'failed_at': {error}; portcullis user unlock"
        ))
    })?;
    Ok(FailureRecord { at: at.unwrap_or_default(), in_row: found.try_get("failed_in_row")? })
}
