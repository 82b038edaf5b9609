//! Grants. Every change bumps the policy version.

use async_trait::async_trait;

use crate::domain::{Actions, Glob, Grantee};
use crate::storage::StorageError;

/// A grant: who may do what where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// Who.
    pub to: Grantee,
    /// On which repositories.
    pub on: Glob,
    /// What.
    pub allow: Actions,
}

/// Grants by grantee and pattern.
#[async_trait]
pub trait Grants {
    /// Adds the actions to what `to` has `on` this pattern. Whether the grantee exists is the caller's to check.
    async fn add_grant(&self, grant: GrantRecord) -> Result<(), StorageError>;

    /// Removes all that `to` has `on` this pattern. `false` if that was nothing.
    async fn remove_grant(&self, to: &Grantee, on: &Glob) -> Result<bool, StorageError>;

    /// All grants, ordered by grantee and pattern text.
    async fn grants(&self) -> Result<Vec<GrantRecord>, StorageError>;
}
