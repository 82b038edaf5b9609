//! Where wrong passwords are counted: those of accounts and of unknown names in the database, by the same rules, those of addresses in
//! memory, which nodes tell each other.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use aws_lc_rs::hmac;
use tokio::sync::OwnedMutexGuard;

use super::account_limit::{AccountLimit, AccountState, DAY, WITHOUT_WAIT};
use super::address_limit::AddressLimit;
use super::login_state::Login;
use super::shared_logins::SharedLogins;
use crate::auth::DataKey;
use crate::config::AuthSettings;
use crate::domain::{AccountName, Clock, Network};
use crate::storage::StorageError;
use crate::storage::metadata::{FailureRecord, LoginName, Metadata, UserRecord};

/// Passwords of one name are verified one after the other. Names share this many locks, so that there is no list of them.
const LOCKS: usize = 64;

/// See the module.
pub(in crate::auth) struct FailedLogins {
    store: Arc<dyn Metadata>,
    clock: Clock,
    limit: AccountLimit,
    names: hmac::Key,
    addresses: AddressLimit,
    shared: SharedLogins,
    locks: Vec<Arc<tokio::sync::Mutex<()>>>,
    hasher: RandomState,
}

/// Whose password was tried from where.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The name as typed.
    pub(super) typed: String,
    /// The same, as the database knows it.
    pub(super) name: LoginName,
    /// Whether an account has it.
    pub(super) exists: bool,
    /// Where it came from.
    pub(super) from: Network,
}

impl FailedLogins {
    pub(in crate::auth) fn new(
        store: Arc<dyn Metadata>,
        settings: &AuthSettings,
        data_key: &DataKey,
        clock: Clock,
    ) -> Self {
        Self {
            shared: SharedLogins::new(Arc::clone(&store), clock.clone()),
            store,
            clock,
            limit: AccountLimit::new(settings.failures_per_account),
            names: data_key.login_names(),
            addresses: AddressLimit::new(settings.failures_per_address),
            locks: (0..LOCKS).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// A name as the database knows it.
    pub(super) fn name(&self, typed: &str) -> LoginName {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.names, typed.as_bytes()).as_ref());
        LoginName { account: typed.parse().ok(), hash }
    }

    /// The account of this name, if it exists, and the failures of either. Both are read in any case, so that neither takes longer.
    pub(super) async fn read(&self, name: &LoginName) -> Result<(Option<UserRecord>, FailureRecord), StorageError> {
        let user = match &name.account {
            Some(account) => self.store.user(account).await?,
            None => None,
        };
        let unknown = self.store.unknown_login_failures(name).await?;
        let failures = user.as_ref().map_or(unknown, |user| user.failures.clone());
        Ok((user, failures))
    }

    /// The state of an attempt for a name with these failures that comes from there.
    pub(super) fn login(&self, failures: &FailureRecord, from: Network) -> Login {
        let now = self.clock.seconds();
        Login::new(self.limit.state(failures, now), self.addresses.state(from, self.clock.instant()), now)
    }

    /// Waits until no other password of this name is being verified, so that many at once are not more than one after the other.
    pub(super) async fn exclusive(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = usize::try_from(self.hasher.hash_one(name) % LOCKS as u64).unwrap_or_default();
        Arc::clone(&self.locks[lock]).lock_owned().await
    }

    /// Counts a wrong password after these `failures`. Takes as long for an unknown name.
    pub(super) async fn failed(&self, target: &Target, mut failures: FailureRecord) -> Result<(), StorageError> {
        self.failed_from(target.from);
        if !self.limit.counts() {
            return Ok(());
        }
        let now = self.clock.seconds();
        let since = now.saturating_sub(DAY);
        self.store.add_login_failure(&target.name, now, since).await?;
        if let (true, Some(account)) = (target.exists, &target.name.account) {
            failures.add(now, since);
            self.log(account, target.from, &failures, now);
        }
        Ok(())
    }

    /// Counts a wrong password that another attempt gave at the same time: for the address alone.
    pub(super) fn failed_from(&self, from: Network) {
        if self.addresses.counts() {
            self.addresses.failed(from, self.clock.instant());
            self.shared.failed(from);
        }
    }

    /// What other nodes know.
    pub(super) fn shared(&self) -> &SharedLogins {
        &self.shared
    }

    /// Tells the other nodes what this one has seen, and counts what they have.
    pub(super) async fn share(&self) -> Result<(), StorageError> {
        self.shared.exchange(&self.addresses).await
    }

    /// The consecutive failures of an account that has these end, because a password was right.
    pub(super) async fn end_consecutive(&self, target: &Target, failures: &FailureRecord) {
        if let (Some(account), 1..) = (&target.name.account, failures.consecutive)
            && let Err(error) = self.store.end_consecutive_failures(account).await
        {
            tracing::warn!(user = %account, %error, "wrong passwords before a right one could not be forgiven");
        }
    }

    fn log(&self, account: &AccountName, from: Network, failures: &FailureRecord, now: i64) {
        if matches!(self.limit.state(failures, now), AccountState::Locked { .. }) {
            tracing::warn!(
                user = %account,
                address = %from,
                failures = AccountLimit::recent_failures(failures, now),
                "a user is locked: too many wrong passwords in 24 hours, the last from this address; end it by: portcullis user unlock {account}"
            );
        } else if failures.consecutive == WITHOUT_WAIT {
            tracing::warn!(
                user = %account,
                address = %from,
                failures = failures.consecutive,
                "several consecutive wrong passwords for a user, the last from this address: from now on each makes the next wait longer"
            );
        }
    }
}
