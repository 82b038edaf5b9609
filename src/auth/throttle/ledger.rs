//! Who failed to log in, and who must wait for it: accounts and unknown names in the database by the same rules, and addresses.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use tokio::sync::OwnedMutexGuard;

use super::account_limit::{AccountLimit, DAY, FREE};
use super::address_limit::{AddressLimit, Network};
use crate::auth::SealKey;
use crate::auth::settings::now;
use crate::config::AuthSettings;
use crate::domain::AccountName;
use crate::storage::StorageError;
use crate::storage::metadata::{FailureRecord, LoginName, Metadata, UserRecord};

/// Passwords of one name are looked at one after the other. Names share this many places, so that there is no list of them.
const TURNS: usize = 64;

/// See the module.
pub(in crate::auth) struct Ledger {
    store: Arc<dyn Metadata>,
    limit: AccountLimit,
    names: hmac::Key,
    addresses: AddressLimit,
    turns: Vec<Arc<tokio::sync::Mutex<()>>>,
    hasher: RandomState,
}

/// Whose password was tried from where.
#[derive(Clone, Debug)]
pub(in crate::auth) struct Target {
    /// The name as typed.
    pub(in crate::auth) typed: String,
    /// The same, as the database knows it.
    pub(in crate::auth) name: LoginName,
    /// Whether an account has it.
    pub(in crate::auth) exists: bool,
    /// Where it came from.
    pub(in crate::auth) from: Network,
}

impl Ledger {
    pub(in crate::auth) fn new(store: Arc<dyn Metadata>, settings: &AuthSettings, seal: &SealKey) -> Self {
        Self {
            store,
            limit: AccountLimit::new(settings.failures_per_account),
            names: seal.login_names(),
            addresses: AddressLimit::new(settings.failures_per_address),
            turns: (0..TURNS).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// A name as the database knows it.
    pub(in crate::auth) fn name(&self, typed: &str) -> LoginName {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.names, typed.as_bytes()).as_ref());
        LoginName { account: typed.parse().ok(), hash }
    }

    /// The account of this name, where there is one, and the failures of either. Both are read in any case, so that neither takes longer.
    pub(in crate::auth) async fn read(
        &self,
        name: &LoginName,
    ) -> Result<(Option<UserRecord>, FailureRecord), StorageError> {
        let user = match &name.account {
            Some(account) => self.store.user(account).await?,
            None => None,
        };
        let unknown = self.store.unknown_login_failures(name).await?;
        let failures = user.as_ref().map_or(unknown, |user| user.failures.clone());
        Ok((user, failures))
    }

    /// How long passwords of a name with these failures are not looked at when they come from there.
    pub(in crate::auth) fn pause(&self, failures: &FailureRecord, from: Network) -> Option<Duration> {
        let now = now();
        let until = self.limit.pause(failures, now);
        let account = until.map(|pause| Duration::from_secs(pause.until.saturating_sub(now).unsigned_abs()));
        account.max(self.addresses.pause(from, Instant::now()))
    }

    /// Waits until no other password of this name is looked at, so that many at once are not more than one after the other.
    pub(in crate::auth) async fn turn(&self, name: &str) -> OwnedMutexGuard<()> {
        let place = usize::try_from(self.hasher.hash_one(name) % TURNS as u64).unwrap_or_default();
        Arc::clone(&self.turns[place]).lock_owned().await
    }

    /// Counts a wrong password after these `failures`. Takes as long for an unknown name.
    pub(in crate::auth) async fn failed(
        &self,
        target: &Target,
        mut failures: FailureRecord,
    ) -> Result<(), StorageError> {
        self.failed_from(target.from);
        if !self.limit.counts() {
            return Ok(());
        }
        let now = now();
        let since = now.saturating_sub(DAY);
        self.store.add_login_failure(&target.name, now, since).await?;
        if let (true, Some(account)) = (target.exists, &target.name.account) {
            failures.add(now, since);
            self.tell(account, target.from, &failures, now);
        }
        Ok(())
    }

    /// Counts a wrong password that somebody else tried at the same time: for the address alone.
    pub(in crate::auth) fn failed_from(&self, from: Network) {
        self.addresses.failed(from, Instant::now());
    }

    /// The password was right after these `failures`.
    pub(in crate::auth) async fn succeeded(&self, target: &Target, failures: &FailureRecord) {
        if let (Some(account), 1..) = (&target.name.account, failures.in_row)
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
