//! What policy says of one account. Read account by account, so that neither the number of users nor of grants matters, and kept as long as
//! the version is the same ([`crate::storage::coordination::Versions::policy_version`]).

use async_trait::async_trait;

use super::{GrantRecord, UserRecord};
use crate::domain::AccountName;
use crate::storage::StorageError;

/// All that decides what an account may do, as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPolicy {
    /// The policy version at that moment.
    pub version: i64,
    /// The account; `None` where it does not exist, or where no name was given.
    pub user: Option<UserRecord>,
    /// The grants that apply to the account: its own, and those of everyone who has logged in, and of everyone. Without a name those of
    /// everyone alone. In no order.
    pub grants: Vec<GrantRecord>,
}

/// Policy by account.
#[async_trait]
pub trait AccountPolicies {
    /// What policy says of the account `name`, or of a client that has not logged in: one consistent read by index. Whether the account
    /// exists makes no difference to the grants.
    async fn account_policy(&self, name: Option<&AccountName>) -> Result<AccountPolicy, StorageError>;
}
