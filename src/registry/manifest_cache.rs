//! Manifests in memory, behind the permit: most requests to a registry ask for a few manifests, over and over. An entry counts as long
//! as its repository has the generation that it was read at ([`super::generations`]).

use std::sync::Arc;

use moka::sync::Cache;

use crate::domain::{Reference, RepositoryName};
use crate::storage::metadata::StoredManifest;

/// The most memory that manifests may take, in bytes.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// What an entry costs besides its content, about.
const OVERHEAD: u32 = 512;
/// From this length on, in bytes, a manifest is counted as soon as it is kept.
const LARGE: usize = 64 * 1024;

pub(super) type Key = (RepositoryName, Reference);

/// Recently served manifests.
pub(super) struct ManifestCache(Cache<Key, Arc<StoredManifest>>);

impl ManifestCache {
    pub(super) fn new() -> Self {
        let weigh = |_: &Key, manifest: &Arc<StoredManifest>| {
            u32::try_from(manifest.content.len()).unwrap_or(u32::MAX).saturating_add(OVERHEAD)
        };
        Self(Cache::builder().max_capacity(CAPACITY).weigher(weigh).build())
    }

    /// The manifest as it was read last.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<StoredManifest>> {
        self.0.get(key)
    }

    /// Keeps what was read.
    pub(super) fn keep(&self, key: Key, manifest: Arc<StoredManifest>) {
        let is_large = manifest.content.len() > LARGE;
        self.0.insert(key, manifest);
        if is_large {
            // Else the cache makes room only every 64 entries, which of the largest are 256 MiB.
            self.0.run_pending_tasks();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Algorithm, Hasher};

    #[test]
    fn large_manifests_take_no_more_than_the_capacity_at_any_time() {
        let cache = ManifestCache::new();
        let large = Arc::new(StoredManifest {
            digest: Hasher::digest(Algorithm::Sha256, b"large"),
            media_type: "a/b".parse().expect("a media type"),
            content: vec![0; 4 << 20].into(),
            generation: 1,
        });
        for number in 0..20 {
            let key: Key = ("a".parse().expect("a name"), format!("v{number}").parse().expect("a reference"));
            cache.keep(key, Arc::clone(&large));
            let held = cache.0.iter().map(|(_, manifest)| manifest.content.len() as u64).sum::<u64>();
            assert!(held <= CAPACITY, "{held} bytes");
        }
    }
}
