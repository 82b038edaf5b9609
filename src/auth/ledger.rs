//! Who failed to log in, and who must wait for it: accounts in the database, names of nobody in memory by the same rules, and addresses.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::OwnedMutexGuard;

use super::AuthSettings;
use super::account_limit::{AccountLimit, DAY, FREE};
use super::address_limit::{AddressLimit, Network};
use super::settings::now;
use crate::domain::AccountName;
use crate::storage::StorageError;
use crate::storage::metadata::{FailureRecord, Metadata};

/// How many names of nobody are remembered; those that were quiet for longest make way.
const STRANGERS: u64 = 20_000;
/// Passwords of one name are looked at one after the other. Names share this many places, so that there is no list of them.
const TURNS: usize = 64;

/// See the module.
pub(super) struct Ledger {
    store: Arc<dyn Metadata>,
    limit: AccountLimit,
    strangers: Cache<u64, Arc<Mutex<FailureRecord>>>,
    addresses: AddressLimit,
    turns: Vec<Arc<tokio::sync::Mutex<()>>>,
    hasher: RandomState,
}

/// Whose password was tried from where.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The name as typed.
    pub(super) name: String,
    /// The name, where an account could have it.
    pub(super) account: Option<AccountName>,
    /// Whether one has.
    pub(super) exists: bool,
    /// Where it came from.
    pub(super) from: Network,
}

impl Ledger {
    pub(super) fn new(store: Arc<dyn Metadata>, settings: &AuthSettings) -> Self {
        let strangers = Cache::builder().max_capacity(STRANGERS).time_to_idle(Duration::from_hours(24));
        Self {
            store,
            limit: AccountLimit::new(settings.failures_per_account),
            strangers: strangers.eviction_policy(EvictionPolicy::lru()).build(),
            addresses: AddressLimit::new(settings.failures_per_address),
            turns: (0..TURNS).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// How long passwords for this name from there are not looked at. `failures` are those of the account, where there is one.
    pub(super) fn pause(&self, name: &str, failures: Option<&FailureRecord>, from: Network) -> Option<Duration> {
        let now = now();
        let until = match failures {
            Some(failures) => self.limit.pause(failures, now),
            None => self.limit.pause(&self.of_stranger(name), now),
        };
        let account = until.map(|pause| Duration::from_secs(pause.until.saturating_sub(now).unsigned_abs()));
        account.max(self.addresses.pause(from, Instant::now()))
    }

    fn of_stranger(&self, name: &str) -> FailureRecord {
        let known = self.strangers.get(&self.hasher.hash_one(name));
        known.map(|known| known.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap_or_default()
    }

    /// Waits until no other password of this name is looked at, so that many at once are not more than one after the other.
    pub(super) async fn turn(&self, name: &str) -> OwnedMutexGuard<()> {
        let place = usize::try_from(self.hasher.hash_one(name) % TURNS as u64).unwrap_or_default();
        Arc::clone(&self.turns[place]).lock_owned().await
    }

    /// The failures so far, read anew. The same is asked of the database for a name of nobody, to take as long.
    pub(super) async fn failures(&self, target: &Target) -> Result<FailureRecord, StorageError> {
        let user = match &target.account {
            Some(account) => self.store.user(account).await?,
            None => None,
        };
        if target.exists {
            return Ok(user.map(|user| user.failures).unwrap_or_default());
        }
        Ok(self.of_stranger(&target.name))
    }

    /// Counts a wrong password after these `failures`. Takes as long for a name of nobody, but for those that nobody can have.
    pub(super) async fn failed(&self, target: &Target, mut failures: FailureRecord) -> Result<(), StorageError> {
        self.failed_from(target.from);
        if !self.limit.counts() {
            return Ok(());
        }
        let now = now();
        let since = now.saturating_sub(DAY);
        if !target.exists {
            let known = self.strangers.get_with(self.hasher.hash_one(&target.name), Arc::default);
            known.lock().unwrap_or_else(PoisonError::into_inner).add(now, since);
        }
        let Some(account) = &target.account else { return Ok(()) };
        self.store.add_login_failure(account, now, since).await?;
        if target.exists {
            failures.add(now, since);
            self.tell(account, target.from, &failures, now);
        }
        Ok(())
    }

    /// Counts a wrong password that somebody else tried at the same time: for the address alone.
    pub(super) fn failed_from(&self, from: Network) {
        self.addresses.failed(from, Instant::now());
    }

    /// The password was right after these `failures`.
    pub(super) async fn succeeded(&self, target: &Target, failures: &FailureRecord) {
        if let (Some(account), 1..) = (&target.account, failures.in_row)
            && let Err(error) = self.store.end_failures_in_row(account).await
        {
            tracing::warn!(user = %account, %error, "wrong passwords before a right one could not be forgiven");
        }
    }

    fn tell(&self, account: &AccountName, from: Network, failures: &FailureRecord, now: i64) {
        if self.limit.pause(failures, now).is_some_and(|pause| pause.locked) {
            tracing::warn!(
                user = %account,
                address = %from,
                failures = AccountLimit::lately(failures, now),
                "a user is locked: too many wrong passwords in 24 hours, the last from this address; end it by: portcullis user unlock {account}"
            );
        } else if failures.in_row == FREE {
            tracing::warn!(
                user = %account,
                address = %from,
                failures = failures.in_row,
                "wrong passwords for a user, one after the other, the last from this address: from now on each makes the next wait longer"
            );
        }
    }
}
