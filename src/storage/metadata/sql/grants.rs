//! Grants: one row per grantee and pattern, one column per action.

use async_trait::async_trait;

use super::engine::{Engine, Session};
use super::row::Columns;
use super::statement::statements;
use super::value::values;
use super::{SqlMetadata, Written};
use crate::domain::{Action, Actions, Glob, Grantee};
use crate::storage::StorageError;
use crate::storage::coordination::Effects;
use crate::storage::metadata::{GrantRecord, Grants};

statements! {
    /// What is allowed already stays allowed: 0 and 1, joined bit by bit.
    ADD = "INSERT INTO grants (grantee, pattern, can_pull, can_push, can_delete) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (grantee, pattern) DO UPDATE SET
            can_pull = grants.can_pull | excluded.can_pull,
            can_push = grants.can_push | excluded.can_push,
            can_delete = grants.can_delete | excluded.can_delete";
    REMOVE = "DELETE FROM grants WHERE grantee = $1 AND pattern = $2";
    REMOVE_ALL = "DELETE FROM grants WHERE grantee = $1";
    GRANTS = "SELECT grantee, pattern, can_pull, can_push, can_delete FROM grants ORDER BY grantee, pattern";
}

#[async_trait]
impl<E: Engine> Grants for SqlMetadata<E> {
    async fn add_grant(&self, grant: GrantRecord) -> Result<(), StorageError> {
        let [pull, push, delete] =
            [Action::Pull, Action::Push, Action::Delete].map(|action| grant.allow.contains(action));
        let values = values![grant.to.to_string(), grant.on.as_str(), pull, push, delete];
        self.write(move |session| {
            Box::pin(async move {
                session.run(ADD, values).await?;
                Ok(Written::with(Effects::POLICY, ()))
            })
        })
        .await
    }

    async fn remove_grant(&self, to: &Grantee, on: &Glob) -> Result<bool, StorageError> {
        let values = values![to.to_string(), on.as_str()];
        self.write(move |session| {
            Box::pin(async move { Ok(Written::if_changed(session.run(REMOVE, values).await? > 0, Effects::POLICY)) })
        })
        .await
    }

    async fn grants(&self) -> Result<Vec<GrantRecord>, StorageError> {
        self.engine.all(GRANTS, values![]).await?.iter().map(read).collect()
    }
}

/// Removes all that was given to `grantee`. The caller raises the policy version.
pub(super) async fn remove_all<S: Session>(session: &mut S, grantee: &Grantee) -> Result<(), StorageError> {
    session.run(REMOVE_ALL, values![grantee.to_string()]).await?;
    Ok(())
}

pub(super) fn read<R: Columns>(found: &R) -> Result<GrantRecord, StorageError> {
    let mut allow = Actions::NONE;
    for (column, action) in [("can_pull", Action::Pull), ("can_push", Action::Push), ("can_delete", Action::Delete)] {
        if found.boolean(column)? {
            allow = allow.with(action);
        }
    }
    Ok(GrantRecord { to: found.parsed("grantee")?, on: found.parsed("pattern")?, allow })
}
