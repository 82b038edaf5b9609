//! Wrong passwords: of an account kept with it, so that a restart forgets none and another process can forgive them; of names that no
//! account has kept next to them, by the same rules, so that no answer after a restart tells which names exist.

use async_trait::async_trait;

use crate::domain::AccountName;
use crate::storage::StorageError;

/// The wrong passwords that an account was tried with lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureRecord {
    /// When each of them came, in whole seconds since the Unix epoch, oldest first.
    pub at: Vec<i64>,
    /// How many of them came since the last right one.
    pub consecutive: u32,
}

impl FailureRecord {
    /// Those that came after `since`.
    pub fn later_than(&self, since: i64) -> impl Iterator<Item = i64> {
        self.at.iter().copied().filter(move |at| *at > since)
    }

    /// One more, at `at`; those that did not come after `since` are forgotten.
    pub fn add(&mut self, at: i64, since: i64) {
        self.at.retain(|known| *known > since);
        let left = u32::try_from(self.at.len()).unwrap_or(u32::MAX);
        self.consecutive = self.consecutive.min(left).saturating_add(1);
        self.at.push(at);
    }
}

/// How many unknown names are remembered at most.
pub const UNKNOWN_NAMES: u32 = 100_000;

/// A name as it was typed at a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginName {
    /// The name, where an account could have it.
    pub account: Option<AccountName>,
    /// A keyed hash of what was typed: of a name that no account has, nothing else is stored.
    pub hash: [u8; 32],
}

/// Wrong passwords, counted. They are read with the account ([`super::UserRecord::failures`]), go with it, and change neither its epoch
/// nor the policy version.
#[async_trait]
pub trait LoginFailures {
    /// Counts a wrong password that came at `at`, for the account or else for the unknown name, and forgets those that did not come
    /// after `since`. Takes as long in both cases. Of unknown names, the [`UNKNOWN_NAMES`] that failed last are kept.
    async fn add_login_failure(&self, name: &LoginName, at: i64, since: i64) -> Result<(), StorageError>;

    /// The wrong passwords of an unknown name.
    async fn unknown_login_failures(&self, name: &LoginName) -> Result<FailureRecord, StorageError>;

    /// The password was right: the next wrong one is the first of a new series. The times of the wrong ones are kept.
    async fn end_consecutive_failures(&self, name: &AccountName) -> Result<(), StorageError>;

    /// Forgets every wrong password. `false` if the user is unknown.
    async fn clear_login_failures(&self, name: &AccountName) -> Result<bool, StorageError>;
}
