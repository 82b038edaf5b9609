//! Contents that are being published, and contents that are being removed: never the same at the same time.
//!
//! On a disk the name of a content is its digest, so what a push publishes may be what the collector has just decided to remove. A push holds
//! the lock from publishing until its row is committed; the collector holds it from its last look for a row until the content is gone.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::domain::Digest;

/// Pushes of different contents do not wait for each other at all, and for a removal seldom.
const STRIPES: usize = 64;

/// One lock for some of the digests each.
pub(super) struct ContentLocks {
    stripes: [RwLock<()>; STRIPES],
    hasher: RandomState,
}

impl ContentLocks {
    pub(super) fn new() -> Self {
        Self { stripes: std::array::from_fn(|_| RwLock::new(())), hasher: RandomState::new() }
    }

    /// Until this is dropped, the content is not removed.
    pub(super) async fn publishing(&self, digest: &Digest) -> RwLockReadGuard<'_, ()> {
        self.stripe(digest).read().await
    }

    /// Until this is dropped, no one publishes the content.
    pub(super) async fn removing(&self, digest: &Digest) -> RwLockWriteGuard<'_, ()> {
        self.stripe(digest).write().await
    }

    fn stripe(&self, digest: &Digest) -> &RwLock<()> {
        let place = self.hasher.hash_one(digest) % STRIPES as u64;
        &self.stripes[usize::try_from(place).unwrap_or_default()]
    }
}
