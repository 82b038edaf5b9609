//! Upload sessions that stand still are dropped, so that abandoned uploads do not fill the disk.

use jiff::Timestamp;

use super::{Registry, RegistryError};

/// How many sessions one pass drops at most.
const BATCH: u32 = 100;

impl Registry {
    /// Drops sessions without progress for longer than the operator allows; returns how many.
    pub async fn drop_stale_uploads(&self) -> Result<usize, RegistryError> {
        let expiry = i64::try_from(self.settings.upload_expiry.as_secs()).unwrap_or(i64::MAX);
        let before = Timestamp::now().as_second().saturating_sub(expiry);
        let mut dropped = 0;
        for id in self.metadata.stale_uploads(before, BATCH).await? {
            // A request that has been writing for very long is not standing still.
            let Some(_lock) = self.sessions.try_acquire(id) else { continue };
            self.metadata.delete_upload(id).await?;
            self.blobs.discard(id).await?;
            dropped += 1;
        }
        self.drop_orphans(before).await?;
        Ok(dropped)
    }

    /// What a crash left of uploads that no session stands for.
    async fn drop_orphans(&self, before: i64) -> Result<(), RegistryError> {
        for id in self.blobs.staged_before(before).await? {
            let Some(_lock) = self.sessions.try_acquire(id) else { continue };
            if !self.metadata.upload_exists(id).await? {
                self.blobs.discard(id).await?;
            }
        }
        Ok(())
    }
}
