//! The policies of the accounts that are in use, each read on demand by index and kept while the policy version is the same.
//!
//! The version is one number of the database, which grows with every change of users, grants or keys by any process. When it has grown, a
//! policy is read again at its next use, and only then: what a change costs depends on who is active, not on how many users there are.
//! While the version cannot be read, what was read last remains in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use moka::sync::Cache;

use super::policy::Policy;
use crate::auth::Principal;
use crate::auth::in_flight::InFlight;
use crate::domain::{AccountName, Grantee};
use crate::storage::StorageError;
use crate::storage::metadata::Metadata;

/// About how many bytes of policies are kept; the least used ones are forgotten first.
const CAPACITY: u64 = 64 * 1024 * 1024;
/// About what an account takes, and each of its grants.
const ACCOUNT_WEIGHT: u32 = 512;
const GRANT_WEIGHT: u32 = 256;

/// See the module.
pub(in crate::auth) struct PolicyCache {
    shared: Arc<Shared>,
    /// Reads under way, by account and the version that they must have at least.
    reads: InFlight<(Option<AccountName>, i64), Result<Arc<Policy>, StorageError>>,
}

/// What a read needs to outlive the request.
struct Shared {
    store: Arc<dyn Metadata>,
    personal_namespaces: bool,
    /// The newest version that this process knows of.
    version: AtomicI64,
    accounts: Cache<AccountName, Arc<Policy>>,
    /// The policy of clients that have not logged in.
    anonymous: ArcSwap<Policy>,
    /// The last one that was read of an account, for the rules that all accounts share.
    latest: ArcSwap<Policy>,
}

impl PolicyCache {
    pub(in crate::auth) fn new(store: Arc<dyn Metadata>, personal_namespaces: bool) -> Self {
        let weigh = |_: &AccountName, policy: &Arc<Policy>| {
            let grants = u32::try_from(policy.own.grants().len()).unwrap_or(u32::MAX);
            grants.saturating_mul(GRANT_WEIGHT).saturating_add(ACCOUNT_WEIGHT)
        };
        let unread = Arc::new(Policy { version: i64::MIN, ..Policy::default() });
        let shared = Shared {
            store,
            personal_namespaces,
            version: AtomicI64::new(0),
            accounts: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build(),
            anonymous: ArcSwap::new(Arc::clone(&unread)),
            latest: ArcSwap::new(unread),
        };
        Self { shared: Arc::new(shared), reads: InFlight::default() }
    }

    /// Takes note of a version that was read from the database: what is older is not used any more.
    pub(in crate::auth) fn note_version(&self, version: i64) {
        self.shared.version.fetch_max(version, Ordering::AcqRel);
    }

    /// The policy of a principal: from memory without waiting while it is current, else by one read of the database.
    pub(in crate::auth) async fn of(&self, principal: &Principal) -> Result<Arc<Policy>, StorageError> {
        self.of_account(principal.account()).await
    }

    /// The policy of the account of this name, whether it exists or not; without a name, that of a client that has not logged in.
    pub(in crate::auth) async fn of_account(&self, name: Option<&AccountName>) -> Result<Arc<Policy>, StorageError> {
        let version = self.shared.version.load(Ordering::Acquire);
        if let Some(current) = self.shared.known(name).filter(|policy| policy.version >= version) {
            return Ok(current);
        }
        let start = || Arc::clone(&self.shared).read(name.cloned());
        self.reads.join_or_start((name.cloned(), version), start).work.await
    }
}

impl Shared {
    fn known(&self, name: Option<&AccountName>) -> Option<Arc<Policy>> {
        match name {
            Some(name) => self.accounts.get(name),
            None => Some(self.anonymous.load_full()),
        }
    }

    async fn read(self: Arc<Self>, name: Option<AccountName>) -> Result<Arc<Policy>, StorageError> {
        let grantee = name.clone().map_or(Grantee::Anonymous, Grantee::User);
        let read = self.store.account_policy(&grantee).await?;
        self.version.fetch_max(read.version, Ordering::AcqRel);
        let policy = Arc::new(Policy::new(read, self.personal_namespaces, &self.latest.load()));
        match name {
            Some(name) => {
                self.latest.store(Arc::clone(&policy));
                self.accounts.insert(name, Arc::clone(&policy));
            }
            None => self.anonymous.store(Arc::clone(&policy)),
        }
        Ok(policy)
    }
}

impl Policy {
    /// Reads the policy that applies to a grantee, for a program that needs it once.
    pub async fn load(
        store: &dyn Metadata,
        grantee: &Grantee,
        personal_namespaces: bool,
    ) -> Result<Self, StorageError> {
        let read = store.account_policy(grantee).await?;
        Ok(Self::new(read, personal_namespaces, &Self::default()))
    }
}
