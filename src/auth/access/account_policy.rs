//! What the store says of one account; until the store reads it by index itself.

use async_trait::async_trait;

use crate::domain::Grantee;
use crate::storage::StorageError;
use crate::storage::metadata::{GrantRecord, Metadata, UserRecord};

/// All that decides what a grantee may do, as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccountPolicy {
    pub(super) version: i64,
    pub(super) user: Option<UserRecord>,
    pub(super) grants: Vec<GrantRecord>,
}

/// Reads it.
#[async_trait]
pub(super) trait AccountPolicies {
    async fn account_policy(&self, grantee: &Grantee) -> Result<AccountPolicy, StorageError>;
}

#[async_trait]
impl AccountPolicies for dyn Metadata {
    async fn account_policy(&self, grantee: &Grantee) -> Result<AccountPolicy, StorageError> {
        let version = self.policy_version().await?;
        let user = match grantee {
            Grantee::User(name) => self.user(name).await?,
            _ => None,
        };
        let mut grants = self.grants().await?;
        grants.retain(|grant| match &grant.to {
            Grantee::Anonymous => true,
            Grantee::Authenticated => *grantee != Grantee::Anonymous,
            to => to == grantee,
        });
        Ok(AccountPolicy { version, user, grants })
    }
}
