//! Garbage collection, online: what the writes have put into the queue is reviewed a little at a time, and what nothing refers to is removed.
//! No request waits for it, and nothing is read but the queue. [`crate::storage::metadata::Collection`] says what keeps a thing.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Registry, RegistryError};
use crate::config::{GcSettings, TrashSettings};
use crate::storage::metadata::{CollectionStatus, DoomedContent, Review, ReviewKind, Reviewed};

/// How many entries are claimed at once.
const BATCH: u32 = 100;
/// How many reviews are under way: they share commits.
const AT_ONCE: usize = 8;
/// How long a claim lasts: another process continues after a crash then.
const CLAIM: Duration = Duration::from_mins(1);

/// How much a run may do, and what it waits for.
#[derive(Clone, Copy, Debug)]
pub struct CollectionPace {
    /// How long manifests stay after their last tag, index and subject.
    pub keep: Duration,
    /// How long a blob stays after it was marked.
    pub grace: Duration,
    /// At most so many entries a second; `None`: as many as the store takes.
    pub rate: Option<u32>,
    /// Whether contents may be removed: on a disk, by the process alone that serves it.
    pub removes_contents: bool,
}

/// What a run has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests that were deleted.
    pub manifests: u64,
    /// Links of repositories to blobs that were deleted.
    pub links: u64,
    /// Blobs whose rows were deleted.
    pub blobs: u64,
    /// Bytes that the blob store has confirmed as removed.
    pub freed_bytes: u64,
}

impl CollectionPace {
    /// As the operator has set it.
    pub fn of(gc: &GcSettings, trash: &TrashSettings) -> Self {
        let rate = Some(gc.rate).filter(|rate| *rate > 0);
        Self { keep: trash.keep, grace: gc.grace, rate, removes_contents: true }
    }

    /// Without delays, but for the leases.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { keep: Duration::ZERO, grace: Duration::ZERO, rate: None, ..self }
    }
}

impl Collected {
    /// Whether there was nothing to collect.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn count(&mut self, kind: ReviewKind) {
        match kind {
            ReviewKind::Manifest => self.manifests += 1,
            ReviewKind::Link => self.links += 1,
            ReviewKind::Blob => {}
            ReviewKind::Removal => self.blobs += 1,
        }
    }
}

/// How many entries the time that has passed allows.
struct Budget {
    began: Instant,
    spent: u64,
}

impl Registry {
    /// Reviews what is due, and removes what is left over, until nothing is. `report` hears of each step.
    pub async fn collect(
        &self,
        pace: CollectionPace,
        mut report: impl FnMut(&Collected) + Send,
    ) -> Result<Collected, RegistryError> {
        self.require_writable()?;
        let (mut collected, mut budget) = (Collected::default(), Budget { began: self.clock.instant(), spent: 0 });
        loop {
            let mut done = self.remove_due_trash().await?;
            for kind in ReviewKind::ALL {
                done += self.review_batch(kind, pace, &mut collected).await?;
            }
            if pace.removes_contents {
                done += self.remove_contents(&mut collected).await?;
            }
            if done == 0 {
                return Ok(collected);
            }
            report(&collected);
            budget.spent += done;
            self.keep_to(pace.rate, &budget).await;
        }
    }

    /// What waits and what was done since the beginning.
    pub async fn collection_status(&self) -> Result<CollectionStatus, RegistryError> {
        Ok(self.metadata.collection_status().await?)
    }

    async fn review_batch(
        &self,
        kind: ReviewKind,
        pace: CollectionPace,
        collected: &mut Collected,
    ) -> Result<u64, RegistryError> {
        let delay = match kind {
            ReviewKind::Manifest => pace.keep,
            ReviewKind::Removal => pace.grace,
            ReviewKind::Link | ReviewKind::Blob => Duration::ZERO,
        };
        let reviews = self.metadata.claim_reviews(kind, delay, CLAIM, BATCH).await?;
        let count = reviews.len() as u64;
        let review = |review: Review| async move { self.metadata.review(review).await };
        let mut outcomes = stream::iter(reviews).map(review).buffer_unordered(AT_ONCE);
        while let Some(outcome) = outcomes.try_next().await? {
            if outcome == Reviewed::Collected {
                collected.count(kind);
            }
        }
        Ok(count)
    }

    async fn remove_contents(&self, collected: &mut Collected) -> Result<u64, RegistryError> {
        let doomed = self.metadata.claim_doomed(CLAIM, BATCH).await?;
        let count = doomed.len() as u64;
        let remove = |content: DoomedContent| async move { self.remove_content(&content).await };
        let mut freed = stream::iter(doomed).map(remove).buffer_unordered(AT_ONCE);
        while let Some(bytes) = freed.try_next().await? {
            collected.freed_bytes += bytes;
        }
        Ok(count)
    }

    /// Removes a content unless a push has brought it back; returns how many bytes that has freed.
    async fn remove_content(&self, content: &DoomedContent) -> Result<u64, RegistryError> {
        let _lock = self.contents.removing(&content.digest).await;
        let freed = !self.metadata.is_in_use(content).await?;
        if freed {
            self.blobs.remove(&content.key).await?;
        }
        self.metadata.forget_doomed(content, freed).await?;
        Ok(if freed { content.size } else { 0 })
    }

    async fn keep_to(&self, rate: Option<u32>, budget: &Budget) {
        let Some(rate) = rate.filter(|rate| *rate > 0) else { return };
        let due = Duration::from_millis(budget.spent.saturating_mul(1000) / u64::from(rate));
        let passed = self.clock.instant().saturating_duration_since(budget.began);
        tokio::time::sleep(due.saturating_sub(passed)).await;
    }
}

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
