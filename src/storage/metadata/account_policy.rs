//! What policy says of one account. Read account by account, so that neither the number of users nor of grants matters, and kept as long as
//! the version is the same ([`crate::storage::coordination::Versions::policy_version`]).

use async_trait::async_trait;

use super::{GrantRecord, UserRecord};
use crate::domain::Grantee;
use crate::storage::StorageError;

/// All that decides what an account may do, as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPolicy {
    /// The policy version at that moment.
    pub version: i64,
    /// The account, where the grantee is a user and exists.
    pub user: Option<UserRecord>,
    /// The grants that apply to the grantee: its own, those of everyone who has logged in, and those of everyone; for
    /// [`Grantee::Anonymous`] those of everyone alone. In no order.
    pub grants: Vec<GrantRecord>,
}

/// Policy by account.
#[async_trait]
pub trait AccountPolicies {
    /// What policy says of the grantee: one consistent read by index. Whether the account exists makes no difference to the grants.
    async fn account_policy(&self, grantee: &Grantee) -> Result<AccountPolicy, StorageError>;
}
