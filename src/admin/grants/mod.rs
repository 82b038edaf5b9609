//! Grants: who may do what, on which repositories.

mod add;
mod explain;
mod list;
mod remove;

use crate::domain::{Actions, Glob, Grantee};
use crate::storage::metadata::GrantRecord;

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// To whom.
    pub(crate) to: Grantee,
    /// On which repositories.
    pub(crate) on: Glob,
    /// What is allowed.
    pub(crate) allow: Actions,
}

impl From<GrantRecord> for Grant {
    fn from(GrantRecord { to, on, allow }: GrantRecord) -> Self {
        Self { to, on, allow }
    }
}

impl From<Grant> for GrantRecord {
    fn from(Grant { to, on, allow }: Grant) -> Self {
        Self { to, on, allow }
    }
}
