//! Grants: one row per grantee and pattern, one column per action.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::statement::statements;
use super::{SqliteMetadata, policy, row};
use crate::domain::{Action, Actions, Glob, Grantee};
use crate::storage::StorageError;
use crate::storage::metadata::{GrantRecord, Grants};

statements! {
    ADD = "INSERT INTO grants (grantee, pattern, can_pull, can_push, can_delete) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (grantee, pattern) DO UPDATE SET
            can_pull = grants.can_pull OR excluded.can_pull,
            can_push = grants.can_push OR excluded.can_push,
            can_delete = grants.can_delete OR excluded.can_delete";
    REMOVE = "DELETE FROM grants WHERE grantee = $1 AND pattern = $2";
    REMOVE_ALL = "DELETE FROM grants WHERE grantee = $1";
    GRANTS = "SELECT grantee, pattern, can_pull, can_push, can_delete FROM grants ORDER BY grantee, pattern";
}

#[async_trait]
impl Grants for SqliteMetadata {
    async fn add_grant(&self, grant: GrantRecord) -> Result<(), StorageError> {
        self.write(move |connection| {
            Box::pin(async move {
                sqlx::query(ADD)
                    .bind(grant.to.to_string())
                    .bind(grant.on.as_str())
                    .bind(grant.allow.contains(Action::Pull))
                    .bind(grant.allow.contains(Action::Push))
                    .bind(grant.allow.contains(Action::Delete))
                    .execute(&mut *connection)
                    .await?;
                policy::bump(connection).await
            })
        })
        .await
    }

    async fn remove_grant(&self, to: &Grantee, on: &Glob) -> Result<bool, StorageError> {
        let (to, on) = (to.to_string(), on.clone());
        self.write(move |connection| {
            Box::pin(async move {
                let removed = sqlx::query(REMOVE).bind(to).bind(on.as_str()).execute(&mut *connection).await?;
                if removed.rows_affected() == 0 {
                    return Ok(false);
                }
                policy::bump(connection).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn grants(&self) -> Result<Vec<GrantRecord>, StorageError> {
        sqlx::query(GRANTS).fetch_all(&self.readers).await?.iter().map(read).collect()
    }
}

/// Removes all that was given to `grantee`. The caller bumps the policy version.
pub(super) async fn remove_all(connection: &mut SqliteConnection, grantee: &Grantee) -> Result<(), StorageError> {
    sqlx::query(REMOVE_ALL).bind(grantee.to_string()).execute(connection).await?;
    Ok(())
}

fn read(found: &SqliteRow) -> Result<GrantRecord, StorageError> {
    let mut allow = Actions::NONE;
    for (column, action) in [("can_pull", Action::Pull), ("can_push", Action::Push), ("can_delete", Action::Delete)] {
        if found.try_get(column)? {
            allow = allow.with(action);
        }
    }
    Ok(GrantRecord { to: row::parsed(found, "grantee")?, on: row::parsed(found, "pattern")?, allow })
}
