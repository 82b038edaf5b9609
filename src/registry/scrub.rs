//! Scrubbing: contents are read back and hashed, those first that were read longest ago, at a bounded rate. A damaged content is put aside and
//! its blob hidden, as if it had never been pushed, so that the next push of it brings it back.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::check::{CheckMode, CheckReport, FaultKind};
use super::{Registry, RegistryError};
use crate::domain::{Digest, Hasher};
use crate::storage::StorageError;
use crate::storage::blobs::ByteStream;
use crate::storage::metadata::{BlobRecord, ScrubPlace};

/// Blobs that are read from the database at a time.
const PAGE: u32 = 200;
/// Contents that are read at the same time where the rate is not bounded.
const AT_ONCE: usize = 4;

/// Bytes that a reading may take in a second.
pub struct Throttle {
    rate: u64,
    began: Instant,
    spent: std::sync::atomic::AtomicU64,
}

/// Which contents a scrub reads, and how fast.
pub struct ScrubPace<'p> {
    /// Those that were last read so long ago.
    pub unread_for: Duration,
    /// Those that were pushed so long ago.
    pub pushed_ago: Duration,
    /// At this rate; `None`: as fast as they come.
    pub throttle: Option<Throttle>,
    /// Hears of bytes that were read.
    pub report: &'p (dyn Fn(u64) + Send + Sync),
}

impl Registry {
    /// So many bytes a second, from now on; `None` for 0.
    pub fn throttle(&self, rate: u64) -> Option<Throttle> {
        (rate > 0).then(|| Throttle { rate, began: self.clock.instant(), spent: 0.into() })
    }

    /// Reads back what is due. It may be interrupted at any moment: the next one continues.
    pub async fn scrub(
        &self,
        pace: &ScrubPace<'_>,
        mode: CheckMode,
        report: &mut CheckReport,
    ) -> Result<(), RegistryError> {
        let now = self.clock.seconds();
        let before = |age: Duration| now.saturating_sub_unsigned(age.as_secs());
        // What was read or pushed in this very second is read as well where no age is asked for.
        let (verified_before, pushed_before) = (before(pace.unread_for), before(pace.pushed_ago).saturating_add(1));
        let mut cursor = ScrubPlace::START;
        loop {
            let due = self.metadata.due_for_scrub(cursor, verified_before, pushed_before, PAGE).await?;
            let Some((last, _)) = due.last() else { return Ok(()) };
            cursor = *last;
            self.scrub_these(due.into_iter().map(|(_, blob)| blob).collect(), pace, mode, report).await?;
        }
    }

    /// Reads back what a check in another process has found, or could not decide: only the process that serves puts contents aside on a disk.
    pub async fn scrub_suspected(&self, report: &mut CheckReport) -> Result<(), RegistryError> {
        let mode = CheckMode { repair: true, owns_contents: true };
        let (none, ignore) = (Duration::ZERO, |_| ());
        let pace = ScrubPace { unread_for: none, pushed_ago: none, throttle: None, report: &ignore };
        loop {
            let suspected = self.metadata.suspected(PAGE).await?;
            if suspected.is_empty() {
                return Ok(());
            }
            self.scrub_these(suspected, &pace, mode, report).await?;
        }
    }

    async fn scrub_these(
        &self,
        blobs: Vec<BlobRecord>,
        pace: &ScrubPace<'_>,
        mode: CheckMode,
        report: &mut CheckReport,
    ) -> Result<(), RegistryError> {
        let at_once = if pace.throttle.is_some() { 1 } else { AT_ONCE };
        let read = |blob: BlobRecord| async move {
            let why = self.read_back(&blob, pace.throttle.as_ref(), pace.report).await?;
            Ok::<_, RegistryError>((blob, why))
        };
        let mut reading = stream::iter(blobs).map(read).buffer_unordered(at_once);
        let mut sound: Vec<Digest> = Vec::new();
        while let Some((blob, why)) = reading.try_next().await? {
            report.read += 1;
            report.read_bytes += blob.size;
            let Some(why) = why else {
                sound.push(blob.digest);
                continue;
            };
            // It may have been collected, or pushed again under another key, while it was read.
            if self.metadata.stored_blob(&blob.digest).await?.as_ref() == Some(&blob) {
                report.add(FaultKind::Damaged, &blob.digest, why);
                self.repair(&blob, mode, report).await?;
            }
        }
        Ok(self.metadata.note_verified(sound).await?)
    }

    /// Why the content is not what the row says; `None` where it is.
    pub(super) async fn read_back(
        &self,
        blob: &BlobRecord,
        throttle: Option<&Throttle>,
        report: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Option<String>, RegistryError> {
        let mut hasher = Hasher::new(blob.digest.algorithm());
        let content: Result<ByteStream, StorageError> = match blob.size {
            0 => Ok(Box::pin(stream::empty())),
            size => self.blobs.read(&blob.key, 0..size).await,
        };
        let mut content = match content {
            Err(StorageError::Damaged(why)) => return Ok(Some(why)),
            content => content?,
        };
        while let Some(chunk) = content.next().await {
            let chunk = match chunk {
                Err(StorageError::Damaged(why)) => return Ok(Some(why)),
                chunk => chunk?,
            };
            hasher.update(&chunk);
            report(chunk.len() as u64);
            if let Some(throttle) = throttle {
                throttle.spend(chunk.len() as u64, self.clock.instant()).await;
            }
        }
        let found = hasher.finish();
        Ok((found != blob.digest).then(|| format!("its content has the digest {found}")))
    }

    /// Puts a content aside that was found to be damaged or lost, and hides its blob. `false` where the blob has another content by now.
    pub(super) async fn condemn(&self, blob: &BlobRecord) -> Result<bool, RegistryError> {
        let _lock = self.contents.removing(&blob.digest).await;
        if self.metadata.stored_blob(&blob.digest).await?.as_ref() != Some(blob) {
            return Ok(false);
        }
        // Before the row: where it ends in between, a push finds no content, and brings it back.
        let aside = self.blobs.quarantine(&blob.key).await?;
        if !self.metadata.mark_damaged(&blob.digest, &blob.key).await? {
            return Ok(false);
        }
        tracing::error!(
            digest = %blob.digest,
            aside = aside.as_deref().unwrap_or("nothing"),
            "the content of a blob is damaged or lost; it is unknown to clients until it is pushed again"
        );
        Ok(true)
    }
}

impl Throttle {
    async fn spend(&self, bytes: u64, now: Instant) {
        let spent = self.spent.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed).saturating_add(bytes);
        let due = Duration::from_millis(spent.saturating_mul(1000) / self.rate);
        let early = due.saturating_sub(now.saturating_duration_since(self.began));
        if !early.is_zero() {
            tokio::time::sleep(early).await;
        }
    }
}

#[cfg(test)]
#[path = "scrub_tests.rs"]
mod tests;
