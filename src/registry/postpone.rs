//! A client that is told that a manifest is there skips its push, and soon pushes an index that lists it: if the manifest waits for the
//! collector's review, it waits longer then.

use std::time::{Duration, Instant};

use moka::sync::Cache;

use super::{Registry, RegistryError};
use crate::auth::{Authorized, Pull};
use crate::domain::{Digest, Reference, RepositoryName};

/// How many manifests are remembered.
const MANIFESTS: u64 = 10_000;

/// Manifests that were asked for a moment ago, at the generation that their repository had: one that has lost a reference since then has
/// another.
pub(super) struct Postponed(Cache<(RepositoryName, Digest), (i64, Instant)>);

impl Postponed {
    pub(super) fn new() -> Self {
        Self(Cache::new(MANIFESTS))
    }

    fn counts(&self, key: &(RepositoryName, Digest), generation: i64, now: Instant, within: Duration) -> bool {
        self.0.get(key).is_some_and(|(of, at)| of == generation && now.saturating_duration_since(at) < within)
    }
}

impl Registry {
    /// Whether the manifest is there, and stays for a while: asked by its digest, and without its content.
    pub async fn verify_manifest(&self, permit: &Authorized<Pull>, reference: &Reference) -> Result<(), RegistryError> {
        let manifest = self.pull_manifest(permit, reference).await?;
        if matches!(reference, Reference::Tag(_)) || self.settings.storage.read_only {
            return Ok(());
        }
        let (digest, lease, now) = (manifest.digest(), self.settings.gc.lease, self.clock.instant());
        let key = (permit.repository().clone(), digest.clone());
        if self.postponed.counts(&key, manifest.generation(), now, lease / 2) {
            return Ok(());
        }
        if !self.metadata.postpone_review(permit.repository(), digest, lease).await? {
            return Err(self.unknown_manifest(permit.repository().clone(), reference.clone()).await?);
        }
        self.postponed.0.insert(key, (manifest.generation(), now));
        Ok(())
    }
}
