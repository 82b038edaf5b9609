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
        let expiry = i64::try_from(self.settings.storage.upload_expiry.as_secs()).unwrap_or(i64::MAX);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::Algorithm;
    use crate::registry::RegistrySettings;
    use crate::storage::blobs::disk::DiskBlobStore;
    use crate::storage::blobs::{BlobStore, Staged};
    use crate::storage::metadata::sqlite::SqliteMetadata;
    use crate::storage::metadata::{UploadRecord, Uploads};

    fn settings() -> RegistrySettings {
        let mut settings = RegistrySettings::default();
        settings.storage.upload_expiry = Duration::ZERO;
        settings
    }

    fn record(id: UploadId) -> UploadRecord {
        UploadRecord {
            id,
            repository: "alice/app".parse().expect("a name"),
            subject: "user:alice".to_owned(),
            owner: "user:alice".to_owned(),
            algorithm: Algorithm::Sha256,
            length: 0,
            hash_state: Vec::new(),
            updated_at: 0,
        }
    }

    #[tokio::test]
    async fn one_pass_drops_all_that_are_stale_and_none_that_is_written_to() {
        const STALE: usize = 3 * BATCH as usize + 7;
        let folder = tempfile::tempdir().expect("a folder");
        let metadata = Arc::new(SqliteMetadata::open(&folder.path().join("metadata.db")).await.expect("opens"));
        let blobs = Arc::new(DiskBlobStore::open(folder.path(), 0).expect("opens"));
        let registry = Registry::new(metadata.clone(), blobs.clone(), settings());
        let ids: Vec<UploadId> = (0..STALE + 2).map(|_| UploadId::generate()).collect();
        let created = ids.iter().map(|id| metadata.create_upload(record(*id), u32::MAX));
        assert!(futures_util::future::join_all(created).await.iter().all(Result::is_ok));
        let body = Box::pin(futures_util::stream::iter([Ok("received".into())]));
        blobs.append(Staged::empty(ids[5], Algorithm::Sha256), body, false).await.expect("appended");
        // Whole seconds count.
        tokio::time::sleep(Duration::from_millis(2100)).await;

        let written_to = [registry.sessions.try_acquire(ids[0]), registry.sessions.try_acquire(ids[700])];
        assert_eq!(registry.drop_stale_uploads().await.expect("dropped"), STALE);
        for (id, there) in [(ids[0], true), (ids[5], false), (ids[700], true), (ids[STALE + 1], false)] {
            assert_eq!(metadata.upload_exists(id).await.expect("read"), there);
        }
        let staged = std::fs::read_dir(folder.path().join("uploads")).expect("there").count();
        assert_eq!(staged, 0, "what they had received is gone as well");
        drop(written_to);
        assert_eq!(registry.drop_stale_uploads().await.expect("dropped"), 2);
    }
}
