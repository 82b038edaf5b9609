//! Last pulls: noted in memory, a moment's work for a request, and written many at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Registry, RegistryError};
use crate::auth::{Authorized, Principal, Pull};
use crate::domain::{Digest, Reference, RepositoryName};
use crate::storage::metadata::PullRecord;

/// So many requests can note a pull at the same time.
const SHARDS: usize = 16;
/// How many tags and manifests wait to be written in a shard: about 20 MB in all.
const MOST: usize = 100_000 / SHARDS;
/// How many are written in one transaction.
const BATCH: usize = 1000;

type Key = (RepositoryName, Reference);

/// What was pulled and is not written yet.
pub(super) struct PullLog {
    shards: [Mutex<HashMap<Key, Noted>>; SHARDS],
    hash: RandomState,
    /// Pulls that found no room.
    missed: AtomicU64,
    /// Whether the database has been told if pulls are recorded.
    announced: AtomicBool,
}

/// The last pull by a tag or digest.
struct Noted {
    digest: Digest,
    at: i64,
    by: Principal,
}

/// Pulls on their way to the database. Those that do not arrive are noted again.
struct Taken<'l> {
    log: &'l PullLog,
    pulls: Vec<(Key, Noted)>,
}

impl PullLog {
    pub(super) fn new() -> Self {
        Self {
            shards: Default::default(),
            hash: RandomState::new(),
            missed: AtomicU64::new(0),
            announced: AtomicBool::new(false),
        }
    }

    fn note(&self, key: Key, digest: &Digest, at: i64, by: &Principal) {
        let mut shard = self.shard(&key);
        let is_full = shard.len() >= MOST;
        match shard.entry(key) {
            Entry::Occupied(entry) => {
                let noted = entry.into_mut();
                noted.at = at;
                if noted.digest != *digest {
                    noted.digest = digest.clone();
                }
                if noted.by != *by {
                    noted.by = by.clone();
                }
            }
            Entry::Vacant(_) if is_full => {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
            Entry::Vacant(entry) => {
                entry.insert(Noted { digest: digest.clone(), at, by: by.clone() });
            }
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, Noted>> {
        let hash = usize::try_from(self.hash.hash_one(key) % SHARDS as u64).unwrap_or_default();
        locked(&self.shards[hash])
    }

    fn take(&self) -> Taken<'_> {
        let pulls = self.shards.iter().flat_map(|shard| std::mem::take(&mut *locked(shard))).collect();
        Taken { log: self, pulls }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for (key, noted) in self.pulls.drain(..) {
            // Later ones have come meanwhile.
            self.log.shard(&key).entry(key).or_insert(noted);
        }
    }
}

/// What is locked here is complete in itself after each step, so a panic elsewhere leaves it sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn record(((repository, reference), noted): &(Key, Noted)) -> PullRecord {
    let tag = match reference {
        Reference::Tag(tag) => Some(tag.clone()),
        Reference::Digest(_) => None,
    };
    PullRecord {
        repository: repository.clone(),
        digest: noted.digest.clone(),
        tag,
        at: noted.at,
        by: noted.by.subject(),
    }
}

impl Registry {
    /// Notes that a manifest was pulled by this reference: that it was asked for with its content.
    pub fn note_pull(&self, permit: &Authorized<Pull>, reference: &Reference, digest: &Digest) {
        if self.settings.pulls.record {
            let key = (permit.repository().clone(), reference.clone());
            self.pulls.note(key, digest, self.clock.seconds(), permit.actor().principal());
        }
    }

    /// Says in the database, once, whether pulls are recorded from now on.
    pub async fn begin_pull_recording(&self) -> Result<(), RegistryError> {
        if !self.pulls.announced.load(Ordering::Relaxed) {
            self.metadata.set_pull_recording(self.settings.pulls.record).await?;
            self.pulls.announced.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Writes the pulls that were noted; returns how many. If that fails, they wait for the next time.
    pub async fn record_pulls(&self) -> Result<usize, RegistryError> {
        self.begin_pull_recording().await?;
        let mut taken = self.pulls.take();
        let count = taken.pulls.len();
        while !taken.pulls.is_empty() {
            let rest = taken.pulls.len().saturating_sub(BATCH);
            let batch = taken.pulls[rest..].iter().map(record).collect();
            self.metadata.record_pulls(batch).await?;
            taken.pulls.truncate(rest);
        }
        let missed = self.pulls.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            tracing::warn!(missed, "pulls of more images than can be noted at once; some were not recorded");
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tag: &str) -> Key {
        ("app".parse().expect("a name"), Reference::Tag(tag.parse().expect("a tag")))
    }

    fn digest() -> Digest {
        format!("sha256:{}", "ab".repeat(32)).parse().expect("a digest")
    }

    fn waiting(log: &PullLog) -> Vec<(Key, i64)> {
        let mut taken = log.take();
        let mut waiting: Vec<_> = taken.pulls.iter().map(|(key, noted)| (key.clone(), noted.at)).collect();
        taken.pulls.clear();
        waiting.sort_by_key(|(_, at)| *at);
        waiting
    }

    #[test]
    fn what_is_not_written_waits_and_later_pulls_count() {
        let log = PullLog::new();
        for (tag, at) in [("a", 1), ("b", 2), ("a", 3)] {
            log.note(key(tag), &digest(), at, &Principal::Anonymous);
        }
        let taken = log.take();
        assert_eq!(taken.pulls.len(), 2);
        log.note(key("b"), &digest(), 9, &Principal::Anonymous);
        drop(taken);
        assert_eq!(waiting(&log), [(key("a"), 3), (key("b"), 9)]);
        assert_eq!(waiting(&log), []);
    }

    #[test]
    fn memory_is_bounded() {
        let log = PullLog::new();
        for number in 0..SHARDS * MOST * 2 {
            log.note(key(&format!("t{number}")), &digest(), 1, &Principal::Anonymous);
        }
        assert!(waiting(&log).len() <= SHARDS * MOST);
        assert!(log.missed.load(Ordering::Relaxed) > 0);
    }
}
