//! Upload sessions without progress are dropped, so that abandoned uploads do not fill the disk.

use std::time::Duration;

use super::session_locks::SessionLock;
use super::{Registry, RegistryError};
use crate::domain::UploadId;

/// How many sessions are dropped in one transaction.
const BATCH: u32 = 500;
/// How much older than an expired session something must be, to be taken for what a crash left in a store that nodes share.
const CERTAINLY_ABANDONED: Duration = Duration::from_hours(24);

impl Registry {
    /// Drops all sessions without progress for longer than the operator allows; returns how many. However many there are, this
    /// ends only when none is left: else abandoned sessions could come faster than they go.
    pub async fn drop_stale_uploads(&self) -> Result<usize, RegistryError> {
        let expiry = i64::try_from(self.settings.storage.upload_expiry.as_secs()).unwrap_or(i64::MAX);
        let before = self.clock.seconds().saturating_sub(expiry);
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
            for area in &gone {
                self.blobs.discard(area).await?;
            }
            dropped += gone.len();
            skipped += u32::try_from(stale - gone.len()).unwrap_or(u32::MAX);
        }
        if !self.blobs.is_shared() {
            self.drop_orphans(before).await?;
        }
        Ok(dropped)
    }

    /// Whether what crashes leave is dropped apart from expired sessions, because looking for it means to list a bucket.
    pub fn has_abandoned_uploads(&self) -> bool {
        self.blobs.is_shared()
    }

    /// Drops what a crash left of uploads in a store that nodes share, once it is so old that no request can be working on it; returns how
    /// much.
    pub async fn drop_abandoned_uploads(&self) -> Result<usize, RegistryError> {
        let age = self.settings.storage.upload_expiry.saturating_add(CERTAINLY_ABANDONED);
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        self.drop_orphans(self.clock.seconds().saturating_sub(age)).await
    }

    /// What a crash left of uploads that have no session.
    async fn drop_orphans(&self, before: i64) -> Result<usize, RegistryError> {
        let (mut last, mut dropped) = (None, 0);
        loop {
            let found = self.blobs.staged_before(before, last, BATCH as usize).await?;
            let Some(area) = found.last() else { return Ok(dropped) };
            last = Some(area.upload);
            for area in found {
                let Some(_lock) = self.sessions.try_acquire(area.upload) else { continue };
                if !self.metadata.upload_exists(area.upload).await? {
                    self.blobs.discard(&area).await?;
                    dropped += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Algorithm, ManualClock};
    use crate::registry::RegistrySettings;
    use crate::storage::blobs::{Staged, disk};
    use crate::storage::metadata::{UploadProgress, UploadRecord, sqlite};

    const EXPIRY: Duration = Duration::from_hours(1);

    fn settings() -> RegistrySettings {
        let mut settings = RegistrySettings::default();
        settings.storage.upload_expiry = EXPIRY;
        settings
    }

    fn record(id: UploadId) -> UploadRecord {
        UploadRecord {
            id,
            repository: "alice/app".parse().expect("a name"),
            subject: "user:alice".to_owned(),
            owner: "user:alice".to_owned(),
            progress: UploadProgress::from(&Staged::empty(id, Algorithm::Sha256)),
            updated_at: 0,
        }
    }

    /// How many staging areas there are.
    fn staged(folder: &tempfile::TempDir) -> usize {
        std::fs::read_dir(folder.path().join("uploads")).expect("there").count()
    }

    #[tokio::test]
    async fn one_pass_drops_all_that_are_stale_and_none_that_is_written_to() {
        const STALE: usize = 3 * BATCH as usize + 7;
        let folder = tempfile::tempdir().expect("a folder");
        let manual = ManualClock::at(Timestamp::now());
        let metadata = sqlite::open(&folder.path().join("metadata.db"), manual.clock()).await.expect("opens");
        let blobs = disk::open(folder.path(), 0, manual.clock()).expect("opens");
        let registry = Registry::new(metadata.clone(), blobs.clone(), settings(), manual.clock());
        let ids: Vec<UploadId> = (0..STALE + 2).map(|_| UploadId::generate()).collect();
        let created = ids.iter().map(|id| metadata.create_upload(record(*id), u32::MAX));
        assert!(futures_util::future::join_all(created).await.iter().all(Result::is_ok));
        let body = || Box::pin(futures_util::stream::iter([Ok("received".into())]));
        blobs.append(Staged::empty(ids[5], Algorithm::Sha256), body(), false).await.expect("appended");
        manual.advance(EXPIRY);
        assert_eq!(registry.drop_stale_uploads().await.expect("dropped"), 0, "the time is not over");
        manual.advance(Duration::from_secs(2));

        let written_to = [registry.sessions.try_acquire(ids[0]), registry.sessions.try_acquire(ids[700])];
        assert_eq!(registry.drop_stale_uploads().await.expect("dropped"), STALE);
        for (id, there) in [(ids[0], true), (ids[5], false), (ids[700], true), (ids[STALE + 1], false)] {
            assert_eq!(metadata.upload_exists(id).await.expect("read"), there);
        }
        assert_eq!(staged(&folder), 0, "what they had received is gone as well");
        drop(written_to);
        assert_eq!(registry.drop_stale_uploads().await.expect("dropped"), 2);
    }

    #[tokio::test]
    async fn what_a_crash_left_without_a_session_is_dropped_page_by_page() {
        const ORPHANS: usize = 2 * BATCH as usize + 3;
        let folder = tempfile::tempdir().expect("a folder");
        let manual = ManualClock::at(Timestamp::now());
        let metadata = sqlite::open(&folder.path().join("metadata.db"), manual.clock()).await.expect("opens");
        let registry = Registry::new(
            metadata.clone(),
            disk::open(folder.path(), 0, manual.clock()).expect("opens"),
            settings(),
            manual.clock(),
        );
        let written = |id: UploadId| std::fs::write(folder.path().join("uploads").join(id.to_string()), b"x");
        for _ in 0..ORPHANS {
            written(UploadId::generate()).expect("written");
        }
        let living = UploadId::generate();
        written(living).expect("written");
        metadata.create_upload(record(living), 10).await.expect("created");
        assert_eq!(registry.drop_stale_uploads().await.expect("dropped"), 0);
        assert_eq!(staged(&folder), ORPHANS + 1, "they may be in use");
        // Files are as old as the system says: writing them may have taken a while.
        manual.advance(EXPIRY * 2);
        // The session has made progress meanwhile.
        let progress = record(living).progress;
        metadata.save_upload(living, 0, progress).await.expect("saved");
        registry.drop_stale_uploads().await.expect("dropped");
        assert_eq!(staged(&folder), 1);
    }
}
