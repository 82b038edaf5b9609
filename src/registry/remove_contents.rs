//! Contents whose rows are gone are removed from the blob store. What counts as freed is what the store has confirmed.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Registry, RegistryError};
use crate::storage::metadata::DoomedContent;

/// How many contents are removed at once: as many as one request to an object store takes.
const OF_BUCKETS: u32 = 1000;
/// On a disk, where each is checked under its lock.
const OF_DISKS: u32 = 100;
const AT_ONCE: usize = 8;

impl Registry {
    /// How many contents are claimed at once.
    pub(super) fn most_contents(&self) -> u32 {
        if self.blobs.is_shared() { OF_BUCKETS } else { OF_DISKS }
    }

    /// Removes contents, but for those that a push has brought back; returns how many bytes that has freed.
    pub(super) async fn remove_contents(&self, doomed: Vec<DoomedContent>) -> Result<u64, RegistryError> {
        if self.blobs.is_shared() {
            // A key is never used again, so none of them can be of a push that is under way.
            return self.remove_batch(doomed).await;
        }
        let one = |content: DoomedContent| async move {
            let _lock = self.contents.removing(&content.digest).await;
            self.remove_batch(vec![content]).await
        };
        let freed = stream::iter(doomed).map(one).buffer_unordered(AT_ONCE);
        freed.try_fold(0_u64, async |sum, bytes| Ok(sum + bytes)).await
    }

    async fn remove_batch(&self, doomed: Vec<DoomedContent>) -> Result<u64, RegistryError> {
        let (mut settled, mut unused) = (Vec::new(), Vec::new());
        for content in doomed {
            let is_in_use = self.metadata.is_in_use(&content).await?;
            if is_in_use { settled.push(content) } else { unused.push(content) }
        }
        let keys: Vec<_> = unused.iter().map(|content| content.key.clone()).collect();
        let mut freed = 0;
        for (answer, content) in self.blobs.remove_all(&keys).await.into_iter().zip(unused) {
            match answer {
                Ok(was_there) => {
                    freed += if was_there { content.size } else { 0 };
                    settled.push(content);
                }
                // It is tried again when the claim has ended.
                Err(error) => tracing::warn!(%error, digest = %content.digest, "a content could not be removed"),
            }
        }
        self.metadata.forget_doomed(&settled, freed).await?;
        Ok(freed)
    }
}
