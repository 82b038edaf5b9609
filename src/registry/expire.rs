//! Upload sessions without progress are dropped, so that abandoned uploads do not fill the disk.

use jiff::Timestamp;

use super::session_locks::SessionLock;
use super::{Registry, RegistryError};
use crate::domain::UploadId;

/// How many sessions are dropped in one transaction.
const BATCH: u32 = 500;

impl Registry {
    /// Drops all sessions without progress for longer than the operator allows; returns how many. However many there are, this
    /// ends only when none is left: else abandoned sessions could come faster than they go.
    pub async fn drop_stale_uploads(&self) -> Result<usize, RegistryError> {
        let expiry = i64::try_from(self.settings.upload_expiry.as_secs()).unwrap_or(i64::MAX);
        let before = Timestamp::now().as_second().saturating_sub(expiry);
        let (mut dropped, mut skipped) = (0, 0);
        loop {
            let found = self.metadata.stale_uploads(before, skipped, BATCH).await?;
            if found.is_empty() {
                break;
            }
            let stale = found.len();
            // A request that has been writing for very long is making progress.
            let locked: Vec<(UploadId, SessionLock)> =
                found.into_iter().filter_map(|id| Some((id, self.sessions.try_acquire(id)?))).collect();
            let ids: Vec<UploadId> = locked.iter().map(|(id, _)| *id).collect();
            let gone = self.metadata.delete_stale_uploads(before, ids).await?;
            for id in &gone {
                self.blobs.discard(*id).await?;
            }
            dropped += gone.len();
            skipped += u32::try_from(stale - gone.len()).unwrap_or(u32::MAX);
        }
        self.drop_orphans(before).await?;
        Ok(dropped)
    }

    /// What a crash left of uploads that have no session.
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
