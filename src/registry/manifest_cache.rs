//! Manifests in memory, behind the permit: most requests to a registry ask for a few manifests, over and over.
//!
//! An entry is valid as long as nothing was written to its repository: every write raises the generation of the repository's slot,
//! and a reader notes the generation *before* it asks the database. So a read that raced a write is never kept.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;

use crate::domain::{Reference, RepositoryName};
use crate::storage::metadata::StoredManifest;

/// The most memory that manifests may take, in bytes.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What an entry costs beside its content, about.
const OVERHEAD: u32 = 512;
const SLOTS: usize = 1024;

type Key = (RepositoryName, Reference);

/// Recently served manifests.
pub(super) struct ManifestCache {
    entries: Cache<Key, Entry>,
    generations: Box<[AtomicU64]>,
    hash: RandomState,
}

#[derive(Clone)]
struct Entry {
    generation: Generation,
    manifest: Arc<StoredManifest>,
}

/// When a read began, in terms of writes to the repository.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl ManifestCache {
    pub(super) fn new() -> Self {
        let weigh = |_: &Key, entry: &Entry| {
            u32::try_from(entry.manifest.content.len()).unwrap_or(u32::MAX).saturating_add(OVERHEAD)
        };
        Self {
            entries: Cache::builder().max_capacity(CAPACITY).weigher(weigh).build(),
            generations: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hash: RandomState::new(),
        }
    }

    /// The manifest, where it is known and nothing was written to its repository since.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<StoredManifest>> {
        let entry = self.entries.get(key)?;
        (entry.generation == self.generation(&key.0)).then_some(entry.manifest)
    }

    /// To be noted before the database is asked.
    pub(super) fn generation(&self, repository: &RepositoryName) -> Generation {
        Generation(self.slot(repository).load(Ordering::Acquire))
    }

    /// Keeps what was read since `generation`.
    pub(super) fn insert(&self, key: Key, generation: Generation, manifest: Arc<StoredManifest>) {
        if generation == self.generation(&key.0) {
            self.entries.insert(key, Entry { generation, manifest });
        }
    }

    /// To be called after every write to the repository, before it is acknowledged.
    pub(super) fn invalidate(&self, repository: &RepositoryName) {
        self.slot(repository).fetch_add(1, Ordering::AcqRel);
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        for slot in &self.generations {
            slot.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn slot(&self, repository: &RepositoryName) -> &AtomicU64 {
        let hash = self.hash.hash_one(repository);
        // SLOTS is a power of two well below 2^32, so the cast keeps what the mask keeps.
        #[allow(clippy::cast_possible_truncation)]
        let index = hash as usize & (SLOTS - 1);
        &self.generations[index]
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
        })
    }

    #[test]
    fn a_read_that_raced_a_write_is_not_kept() {
        let cache = ManifestCache::new();
        let key: Key = ("a".parse().expect("a name"), "latest".parse().expect("a reference"));
        let before = cache.generation(&key.0);
        cache.invalidate(&key.0);
        cache.insert(key.clone(), before, manifest("old"));
        assert!(cache.get(&key).is_none());

        let generation = cache.generation(&key.0);
        cache.insert(key.clone(), generation, manifest("new"));
        assert_eq!(cache.get(&key).map(|m| m.content.clone()), Some(Bytes::from_static(b"new")));
        cache.invalidate(&key.0);
        assert!(cache.get(&key).is_none(), "a write drops what was known");
    }
}
