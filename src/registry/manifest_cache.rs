//! Manifests in memory, behind the permit: most requests to a registry ask for a few manifests, over and over.
//!
//! An entry holds as long as its repository has the generation that it was read at: each write raises that in its own transaction, in
//! any process. The generation of a repository is read again once it is older than [`SEEN_WITHIN`], with one indexed read for all of its
//! entries: from half that age on by the first request that finds it so, while the others are still served, so that a busy repository costs
//! one read and not one for each request at that moment. What this process writes itself is never served stale: it raises the epoch of the repository's slot before it answers, and a
//! generation of another epoch is read again at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use crate::domain::{Clock, Reference, RepositoryName};
use crate::storage::coordination::SEEN_WITHIN;
use crate::storage::metadata::StoredManifest;

/// The most memory that manifests may take, in bytes.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What an entry costs besides its content, about.
const OVERHEAD: u32 = 512;
const SLOTS: usize = 1024;
/// From this length on, in bytes, a manifest is counted as soon as it is kept.
const LARGE: usize = 64 * 1024;
/// How many repositories' generations are remembered.
const GENERATIONS: u64 = 10_000;

type Key = (RepositoryName, Reference);

/// Recently served manifests.
pub(super) struct ManifestCache {
    entries: Cache<Key, Arc<StoredManifest>>,
    generations: Cache<RepositoryName, Arc<Generation>>,
    epochs: Box<[AtomicU64]>,
    hash: RandomState,
    clock: Clock,
}

/// What the database said of a repository.
struct Generation {
    seen: Moment,
    /// `None` if it does not exist.
    number: Option<i64>,
    /// Whether a request reads it again already.
    being_read: AtomicBool,
}

impl Generation {
    /// Whether the request that asks is the one that is to read it again, ahead of time.
    fn is_to_be_read_by(&self, now: Moment) -> bool {
        self.seen.age_at(now) >= SEEN_WITHIN / 2 && !self.being_read.swap(true, Ordering::Relaxed)
    }
}

/// When the database was asked: by the clock, and in terms of this process's own writes to the repository.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    at: Instant,
    epoch: u64,
}

/// What is known of a manifest.
pub(super) enum Known {
    /// It may be served.
    Fresh(Arc<StoredManifest>),
    /// It may be served if its repository still has the manifest's generation.
    ToCompare(Arc<StoredManifest>),
    /// Nothing.
    Unknown,
}

impl ManifestCache {
    pub(super) fn new(clock: Clock) -> Self {
        let weigh = |_: &Key, manifest: &Arc<StoredManifest>| {
            u32::try_from(manifest.content.len()).unwrap_or(u32::MAX).saturating_add(OVERHEAD)
        };
        Self {
            entries: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build(),
            generations: Cache::new(GENERATIONS),
            epochs: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hash: RandomState::new(),
            clock,
        }
    }

    /// What is known of the manifest, at this moment.
    pub(super) fn get(&self, key: &Key, now: Moment) -> Known {
        let Some(manifest) = self.entries.get(key) else { return Known::Unknown };
        match self.generations.get(&key.0) {
            Some(generation) if !generation.seen.holds_at(now) => Known::ToCompare(manifest),
            Some(generation) if generation.number != Some(manifest.generation) => Known::Unknown,
            Some(generation) if generation.is_to_be_read_by(now) => Known::ToCompare(manifest),
            Some(_) => Known::Fresh(manifest),
            None => Known::ToCompare(manifest),
        }
    }

    /// To be noted before the database is asked.
    pub(super) fn moment(&self, repository: &RepositoryName) -> Moment {
        Moment { at: self.clock.instant(), epoch: self.slot(repository).load(Ordering::Acquire) }
    }

    /// Notes which generation the repository had after `moment`; `None` if it does not exist.
    pub(super) fn saw(&self, repository: &RepositoryName, moment: Moment, number: Option<i64>) {
        let generation = Generation { seen: moment, number, being_read: AtomicBool::new(false) };
        self.generations.insert(repository.clone(), Arc::new(generation));
    }

    /// Keeps what was read after `moment`.
    pub(super) fn keep(&self, key: Key, moment: Moment, manifest: Arc<StoredManifest>) {
        let is_large = manifest.content.len() > LARGE;
        self.saw(&key.0, moment, Some(manifest.generation));
        self.entries.insert(key, manifest);
        if is_large {
            // Else the cache makes room only every 64 entries, which of the largest are 256 MiB.
            self.entries.run_pending_tasks();
        }
    }

    /// To be called after every write to the repository, before it is acknowledged.
    pub(super) fn invalidate(&self, repository: &RepositoryName) {
        self.slot(repository).fetch_add(1, Ordering::AcqRel);
    }

    fn slot(&self, repository: &RepositoryName) -> &AtomicU64 {
        let hash = self.hash.hash_one(repository);
        // SLOTS is a power of two well below 2^32, so the cast keeps what the mask keeps.
        #[allow(clippy::cast_possible_truncation)]
        let index = hash as usize & (SLOTS - 1);
        &self.epochs[index]
    }
}

impl Moment {
    /// Whether what was seen at this moment still counts at the later one.
    fn holds_at(self, later: Self) -> bool {
        self.epoch == later.epoch && self.age_at(later) < SEEN_WITHIN
    }

    fn age_at(self, later: Self) -> Duration {
        later.at.saturating_duration_since(self.at)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Algorithm, Hasher, ManualClock};

    fn cache() -> ManifestCache {
        ManifestCache::new(Clock::system())
    }

    fn manifest(text: &'static str) -> Arc<StoredManifest> {
        Arc::new(StoredManifest {
            digest: Hasher::digest(Algorithm::Sha256, text.as_bytes()),
            media_type: "a/b".parse().expect("a media type"),
            content: Bytes::from_static(text.as_bytes()),
            generation: 1,
        })
    }

    fn key() -> Key {
        ("a".parse().expect("a name"), "latest".parse().expect("a reference"))
    }

    #[test]
    fn large_manifests_take_no_more_than_the_capacity_at_any_time() {
        let cache = cache();
        let large = Arc::new(StoredManifest { content: vec![0; 4 << 20].into(), ..(*manifest("large")).clone() });
        for number in 0..20 {
            let key: Key = ("a".parse().expect("a name"), format!("v{number}").parse().expect("a reference"));
            let moment = cache.moment(&key.0);
            cache.keep(key, moment, Arc::clone(&large));
            let held = cache.entries.iter().map(|(_, manifest)| manifest.content.len() as u64).sum::<u64>();
            assert!(held <= CAPACITY, "{held} bytes");
        }
    }

    #[test]
    fn what_raced_a_write_of_this_process_is_compared_first() {
        let (cache, key) = (cache(), key());
        let before = cache.moment(&key.0);
        cache.invalidate(&key.0);
        cache.keep(key.clone(), before, manifest("old"));
        assert!(matches!(cache.get(&key, cache.moment(&key.0)), Known::ToCompare(_)));

        cache.keep(key.clone(), cache.moment(&key.0), manifest("new"));
        let known = cache.get(&key, cache.moment(&key.0));
        assert!(matches!(known, Known::Fresh(manifest) if manifest.content == "new"));
        cache.invalidate(&key.0);
        assert!(matches!(cache.get(&key, cache.moment(&key.0)), Known::ToCompare(_)), "a write ends what was known");
    }

    #[test]
    fn a_generation_is_read_again_after_a_while_and_for_all_manifests_of_the_repository() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let cache = ManifestCache::new(clock.clock());
        let (one, other): (Key, Key) = (key(), (key().0, "other".parse().expect("a reference")));
        for key in [&one, &other] {
            cache.keep(key.clone(), cache.moment(&key.0), manifest("old"));
        }
        let known = |key: &Key| cache.get(key, cache.moment(&key.0));
        clock.advance(SEEN_WITHIN / 3);
        assert!(matches!(known(&one), Known::Fresh(_)));
        clock.advance(SEEN_WITHIN / 3);
        assert!(matches!(known(&one), Known::ToCompare(_)), "one request reads it again ahead of time");
        assert!(
            matches!(known(&one), Known::Fresh(_)) && matches!(known(&other), Known::Fresh(_)),
            "the others are served"
        );
        clock.advance(SEEN_WITHIN / 2);
        assert!(matches!(known(&one), Known::ToCompare(_)) && matches!(known(&other), Known::ToCompare(_)));

        cache.saw(&one.0, cache.moment(&one.0), Some(1));
        assert!(matches!(known(&one), Known::Fresh(_)) && matches!(known(&other), Known::Fresh(_)));
        cache.saw(&one.0, cache.moment(&one.0), Some(2));
        assert!(matches!(known(&one), Known::Unknown), "it has to be read again");
        cache.saw(&one.0, cache.moment(&one.0), None);
        assert!(matches!(known(&other), Known::Unknown), "the repository was removed");
    }
}
