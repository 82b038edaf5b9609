//! Manifests in memory, behind the permit: most requests to a registry ask for a few manifests, over and over.
//!
//! An entry holds as long as its repository has the generation that it was read at: each write raises that in its own transaction, by
//! whatever process. An entry that was compared less than [`FRESH`] ago is served without a look at the database, after that with one
//! indexed read. What this process writes itself is never served stale: it raises the epoch of the repository's slot before it
//! answers, and an entry of another epoch is compared at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use crate::domain::{Reference, RepositoryName};
use crate::storage::metadata::StoredManifest;

/// The most memory that manifests may take, in bytes.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What an entry costs besides its content, about.
const OVERHEAD: u32 = 512;
const SLOTS: usize = 1024;
/// From this length on, in bytes, a manifest is counted as soon as it is kept.
const LARGE: usize = 64 * 1024;
/// How late a write of another process is seen at most.
const FRESH: Duration = Duration::from_millis(250);

type Key = (RepositoryName, Reference);

/// Recently served manifests.
pub(super) struct ManifestCache {
    entries: Cache<Key, Entry>,
    epochs: Box<[AtomicU64]>,
    hash: RandomState,
}

#[derive(Clone)]
struct Entry {
    compared: Moment,
    manifest: Arc<StoredManifest>,
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
    pub(super) fn new() -> Self {
        let weigh = |_: &Key, entry: &Entry| {
            u32::try_from(entry.manifest.content.len()).unwrap_or(u32::MAX).saturating_add(OVERHEAD)
        };
        Self {
            entries: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build(),
            epochs: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hash: RandomState::new(),
        }
    }

    /// What is known of the manifest, at this moment.
    pub(super) fn get(&self, key: &Key, now: Moment) -> Known {
        match self.entries.get(key) {
            Some(entry) if entry.compared.holds_at(now) => Known::Fresh(entry.manifest),
            Some(entry) => Known::ToCompare(entry.manifest),
            None => Known::Unknown,
        }
    }

    /// To be noted before the database is asked.
    pub(super) fn moment(&self, repository: &RepositoryName) -> Moment {
        Moment { at: Instant::now(), epoch: self.slot(repository).load(Ordering::Acquire) }
    }

    /// Keeps what was read, or found to hold still, after `moment`.
    pub(super) fn keep(&self, key: Key, moment: Moment, manifest: Arc<StoredManifest>) {
        let is_large = manifest.content.len() > LARGE;
        self.entries.insert(key, Entry { compared: moment, manifest });
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
        self.epoch == later.epoch && later.at.saturating_duration_since(self.at) < FRESH
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::{Algorithm, Hasher};

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
        let cache = ManifestCache::new();
        let large = Arc::new(StoredManifest { content: vec![0; 4 << 20].into(), ..(*manifest("large")).clone() });
        for number in 0..20 {
            let key: Key = ("a".parse().expect("a name"), format!("v{number}").parse().expect("a reference"));
            let moment = cache.moment(&key.0);
            cache.keep(key, moment, Arc::clone(&large));
            let held = cache.entries.iter().map(|(_, entry)| entry.manifest.content.len() as u64).sum::<u64>();
            assert!(held <= CAPACITY, "{held} bytes");
        }
    }

    #[test]
    fn what_raced_a_write_of_this_process_is_compared_first() {
        let (cache, key) = (ManifestCache::new(), key());
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
    fn what_was_compared_a_while_ago_is_compared_again() {
        let (cache, key) = (ManifestCache::new(), key());
        let moment = cache.moment(&key.0);
        cache.keep(key.clone(), moment, manifest("old"));
        let later = |millis| Moment { at: moment.at + Duration::from_millis(millis), ..moment };
        assert!(matches!(cache.get(&key, later(249)), Known::Fresh(_)));
        assert!(matches!(cache.get(&key, later(250)), Known::ToCompare(_)));
    }
}
