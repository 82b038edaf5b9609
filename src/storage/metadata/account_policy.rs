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
    /// The account; `None` if it does not exist, or if the grantee is not a user.
    pub user: Option<UserRecord>,
    /// The grants that apply to the grantee: its own, and those of everyone who has logged in, and of everyone. To `anonymous` those of
    /// everyone alone. In no order.
    pub grants: Vec<GrantRecord>,
}

/// Policy by account.
#[async_trait]
pub trait AccountPolicies {
    /// What policy says of a user, or of everyone who has logged in, or of a client that has not: one consistent read by index. Whether a
    /// user exists makes no difference to the grants.
    async fn account_policy(&self, grantee: &Grantee) -> Result<AccountPolicy, StorageError>;
}
