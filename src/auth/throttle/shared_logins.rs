//! What this node tells the others about logins, and what they have told: their wrong passwords count for an address as ours do, and a
//! source that is known to one of them may try a few passwords here while it is limited.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::address_limit::AddressLimit;
use crate::domain::{Clock, Network};
use crate::storage::StorageError;
use crate::storage::coordination::{SOURCES_KEPT, SharedSource};
use crate::storage::metadata::Metadata;

/// How many addresses and sources are told at once; the rest waits for the next time.
const AT_ONCE: usize = 500;
/// How many wait at most, so that those who guess from everywhere cost no more memory.
const WAITING: usize = 10_000;
/// A source is told again after this long.
const TELL_AGAIN: Duration = Duration::from_hours(1);
/// How many sources of other nodes are remembered.
const CAPACITY: u64 = 20_000;
/// How many passwords a source that only another node knows may try while it is limited. Wrong ones count as any others.
const TRIES: u32 = 3;
/// How far back is read what others have told, in seconds: a transaction may end after a later one.
const OVERLAP: i64 = 10;
/// How long wrong passwords count for an address, in seconds.
const MINUTE: i64 = 60;

/// See the module.
pub(super) struct SharedLogins {
    store: Arc<dyn Metadata>,
    clock: Clock,
    /// Under which name this node tells; `None` where it is alone.
    node: Option<String>,
    untold: Mutex<Untold>,
    told_sources: Cache<SharedSource, ()>,
    elsewhere: Cache<SharedSource, u32>,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Untold {
    failures: HashMap<Network, u32>,
    sources: Vec<SharedSource>,
}

/// What was read of other nodes.
#[derive(Default)]
struct Read {
    /// When, in seconds since the Unix epoch.
    at: Option<i64>,
    /// How many failures of each row are counted already.
    counted: HashMap<(i64, Network, String), u32>,
}

impl SharedLogins {
    pub(super) fn new(store: Arc<dyn Metadata>, clock: Clock) -> Self {
        let kept = Duration::from_secs(SOURCES_KEPT.unsigned_abs());
        Self {
            node: store.serves_many_nodes().then(|| format!("{:032x}", rand::random::<u128>())),
            store,
            clock,
            untold: Mutex::default(),
            told_sources: Cache::builder().max_capacity(CAPACITY).time_to_live(TELL_AGAIN).build(),
            elsewhere: Cache::builder().max_capacity(CAPACITY).time_to_live(kept).build(),
            read: Mutex::default(),
        }
    }

    /// A wrong password came from there.
    pub(super) fn failed(&self, from: Network) {
        if self.node.is_none() {
            return;
        }
        let mut untold = locked(&self.untold);
        if untold.failures.len() < WAITING || untold.failures.contains_key(&from) {
            *untold.failures.entry(from).or_default() += 1;
        }
    }

    /// A right password of this name came from there.
    pub(super) fn verified(&self, name_hash: [u8; 32], network: Network) {
        let source = SharedSource { name_hash, network };
        if self.node.is_none() || self.told_sources.contains_key(&source) {
            return;
        }
        let mut untold = locked(&self.untold);
        if untold.sources.len() < WAITING {
            self.told_sources.insert(source.clone(), ());
            untold.sources.push(source);
        }
    }

    /// Whether the source is known to another node and has tries left here.
    pub(super) fn may_try(&self, name_hash: [u8; 32], network: Network) -> bool {
        self.elsewhere.get(&SharedSource { name_hash, network }).is_some_and(|left| left > 0)
    }

    /// Takes one of these tries.
    pub(super) fn take_try(&self, name_hash: [u8; 32], network: Network) -> bool {
        let mut taken = false;
        self.elsewhere.entry(SharedSource { name_hash, network }).and_compute_with(|entry| {
            use moka::ops::compute::Op;
            let left = entry.map_or(0, moka::Entry::into_value);
            taken = left > 0;
            if taken { Op::Put(left - 1) } else { Op::Nop }
        });
        taken
    }

    /// Tells the others, and counts what they have told.
    pub(super) async fn exchange(&self, addresses: &AddressLimit) -> Result<(), StorageError> {
        let Some(node) = &self.node else { return Ok(()) };
        let (failures, sources) = self.take_untold();
        if !(failures.is_empty() && sources.is_empty()) {
            let shared = self.store.share_logins(node, failures.clone(), sources.clone()).await;
            if let Err(error) = shared {
                self.put_back(failures, sources);
                return Err(error);
            }
        }
        let now = self.clock.seconds();
        let before = locked(&self.read).at;
        let since = before.map_or(now - MINUTE, |at| at - OVERLAP);
        let told = self.store.address_failures_of_others(node, since).await?;
        let since = before.map_or(now - SOURCES_KEPT, |at| at - OVERLAP);
        let sources = self.store.shared_sources(since, u32::try_from(CAPACITY).unwrap_or(u32::MAX)).await?;
        let is_new =
            |source: &SharedSource| !self.elsewhere.contains_key(source) && !self.told_sources.contains_key(source);
        for source in sources.into_iter().filter(is_new) {
            self.elsewhere.insert(source, TRIES);
        }
        let mut read = locked(&self.read);
        read.at = Some(now);
        read.counted.retain(|(second, ..), _| *second > now - 2 * MINUTE);
        for told in told {
            let counted = read.counted.entry((told.second, told.network, told.node)).or_default();
            let age = Duration::from_secs(now.saturating_sub(told.second).max(0).unsigned_abs());
            addresses.failed_elsewhere(told.network, told.failures.saturating_sub(*counted), age, self.clock.instant());
            *counted = (*counted).max(told.failures);
        }
        Ok(())
    }

    fn take_untold(&self) -> (Vec<(Network, u32)>, Vec<SharedSource>) {
        let mut untold = locked(&self.untold);
        let networks: Vec<Network> = untold.failures.keys().take(AT_ONCE).copied().collect();
        let failures = networks.into_iter().filter_map(|network| untold.failures.remove_entry(&network)).collect();
        let left = untold.sources.len().saturating_sub(AT_ONCE);
        (failures, untold.sources.split_off(left))
    }

    /// To be told the next time.
    fn put_back(&self, failures: Vec<(Network, u32)>, sources: Vec<SharedSource>) {
        let mut untold = locked(&self.untold);
        for (network, count) in failures {
            *untold.failures.entry(network).or_default() += count;
        }
        untold.sources.extend(sources);
    }
}

/// What is locked here is complete in itself after each step, so a panic elsewhere leaves it sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "shared_logins_tests.rs"]
mod tests;
