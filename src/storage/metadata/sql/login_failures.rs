//! Wrong passwords, in the row of their user or of an unknown name: one small write for each, shared in its commit.

use async_trait::async_trait;

use super::engine::{Engine, Session, only};
use super::row::{Columns, damaged};
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written};
use crate::domain::AccountName;
use crate::storage::StorageError;
use crate::storage::metadata::{FailureRecord, LoginFailures, LoginName, UNKNOWN_NAMES};

statements! {
    /// Those that are added at the same time wait, so that none is lost.
    LOCK = "UPDATE users SET failed_in_row = failed_in_row WHERE name = $1 RETURNING failed_at, failed_in_row";
    SET = "UPDATE users SET failed_at = $2, failed_in_row = $3 WHERE name = $1";
    END_ROW = "UPDATE users SET failed_in_row = 0 WHERE name = $1";
    FIND_UNKNOWN = "SELECT failed_at, failed_in_row FROM unknown_logins WHERE name_hash = $1";
    /// Read as it is removed: what another node adds in between would be lost.
    TAKE_UNKNOWN = "DELETE FROM unknown_logins WHERE name_hash = $1 RETURNING failed_at, failed_in_row";
    ADD_UNKNOWN = "INSERT INTO unknown_logins (name_hash, failed_at, failed_in_row, last_at) VALUES ($1, $2, $3, $4) RETURNING id";
    REMOVE_OLD = "DELETE FROM unknown_logins WHERE last_at <= $1";
    REMOVE_FIRST = "DELETE FROM unknown_logins WHERE id <= $1";
    CLEAR = "UPDATE users SET failed_at = NULL, failed_in_row = 0 WHERE name = $1";
}

#[async_trait]
impl<E: Engine> LoginFailures for SqlMetadata<E> {
    async fn add_login_failure(&self, name: &LoginName, at: i64, since: i64) -> Result<(), StorageError> {
        let name = name.clone();
        self.write(move |session| Box::pin(add(session, name, at, since))).await
    }

    async fn unknown_login_failures(&self, name: &LoginName) -> Result<FailureRecord, StorageError> {
        let found = self.engine.first(FIND_UNKNOWN, values![name.hash.as_slice()]).await?;
        Ok(found.as_ref().map(read).transpose()?.unwrap_or_default())
    }

    async fn end_consecutive_failures(&self, name: &AccountName) -> Result<(), StorageError> {
        let values = values![name];
        self.write(move |session| {
            Box::pin(async move {
                session.run(END_ROW, values).await?;
                Ok(Written::without_effects(()))
            })
        })
        .await
    }

    async fn clear_login_failures(&self, name: &AccountName) -> Result<bool, StorageError> {
        let values = values![name];
        self.write(move |session| {
            Box::pin(async move { Ok(Written::without_effects(session.run(CLEAR, values).await? > 0)) })
        })
        .await
    }
}

async fn add<S: Session>(session: &mut S, name: LoginName, at: i64, since: i64) -> Result<Written<()>, StorageError> {
    // Both are looked for in any case, so that neither takes longer.
    let account = name.account.as_ref().map_or("", AccountName::as_str);
    let known = session.first(LOCK, values![account]).await?;
    session.first(FIND_UNKNOWN, values![name.hash.as_slice()]).await?;
    if let Some(found) = known {
        let mut failures = read(&found)?;
        failures.add(at, since);
        session.run(SET, values![account, times(&failures), failures.consecutive]).await?;
    } else {
        replace_unknown(session, &name.hash, (at, since)).await?;
    }
    Ok(Written::without_effects(()))
}

/// Adds one to the failures of an unknown name, in a new row, the last; what is old, or one too many, goes from the other end.
async fn replace_unknown<S: Session>(
    session: &mut S,
    hash: &[u8],
    (at, since): (i64, i64),
) -> Result<(), StorageError> {
    let found = session.first(TAKE_UNKNOWN, values![hash]).await?;
    let mut failures = found.as_ref().map(read).transpose()?.unwrap_or_default();
    failures.add(at, since);
    let added = only(session, ADD_UNKNOWN, values![hash, times(&failures), failures.consecutive, at]).await?;
    let last = added.integer("id")?;
    session.run(REMOVE_OLD, values![since]).await?;
    session.run(REMOVE_FIRST, values![last.saturating_sub(i64::from(UNKNOWN_NAMES))]).await?;
    Ok(())
}

fn times(failures: &FailureRecord) -> String {
    serde_json::json!(failures.at).to_string()
}

/// The failures in a row of `users` or `unknown_logins`.
pub(super) fn read<R: Columns>(found: &R) -> Result<FailureRecord, StorageError> {
    let at = found.optional_text("failed_at")?.map(serde_json::from_str).transpose();
    let at = at.map_err(|error| damaged("failed_at", &format!("{error}; portcullis user unlock")))?;
    Ok(FailureRecord { at: at.unwrap_or_default(), consecutive: found.unsigned("failed_in_row")? })
}
