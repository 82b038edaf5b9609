//! Garbage collection, online: what the writes have put into the queue is reviewed a little at a time, and what nothing refers to is removed.
//! No request waits for it, and nothing is read but the queue. [`crate::storage::metadata::Collection`] says what keeps a thing.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{CollectionStop, Registry, RegistryError};
use crate::config::{GcSettings, TrashSettings};
use crate::storage::metadata::{CollectionForecast, CollectionStatus, ReviewKind, Reviewed};

/// How many entries are claimed at once.
const BATCH: u32 = 100;
/// How many reviews are under way: they share commits.
const AT_ONCE: usize = 8;
/// How long a claim lasts: another process continues after a crash then.
pub(super) const CLAIM: Duration = Duration::from_mins(1);

/// How much a run may do, and what it waits for.
#[derive(Clone, Copy, Debug)]
pub struct CollectionPace {
    /// How long manifests stay after their last tag, index and subject.
    pub keep: Duration,
    /// How long a blob stays after it was marked.
    pub grace: Duration,
    /// At most so many entries a second; `None`: as many as the store takes.
    pub rate: Option<u32>,
    /// Whether entries are reviewed.
    pub reviews: bool,
    /// Whether contents may be removed: on a disk, by the process alone that serves it.
    pub removes_contents: bool,
}

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests that were deleted.
    pub manifests: u64,
    /// Links of repositories to blobs that were deleted.
    pub links: u64,
    /// Blobs whose rows were deleted.
    pub blobs: u64,
    /// Bytes that the blob store has confirmed as removed.
    pub freed_bytes: u64,
    /// Why it left something that was due.
    pub stopped: Option<CollectionStop>,
}

impl CollectionPace {
    /// As the operator has set it.
    pub fn of(gc: &GcSettings, trash: &TrashSettings) -> Self {
        let rate = Some(gc.rate).filter(|rate| *rate > 0);
        Self { keep: trash.keep, grace: gc.grace, rate, reviews: true, removes_contents: true }
    }

    /// Without delays, but for the leases.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { keep: Duration::ZERO, grace: Duration::ZERO, ..self }
    }
}

impl Collected {
    /// Whether there was nothing to collect.
    pub fn is_nothing(&self) -> bool {
        *self == Self { stopped: self.stopped.clone(), ..Self::default() }
    }

    /// With what another run has done after it.
    pub fn add(&mut self, later: Self) {
        self.manifests += later.manifests;
        self.links += later.links;
        self.blobs += later.blobs;
        self.freed_bytes += later.freed_bytes;
        self.stopped = later.stopped.or_else(|| self.stopped.take());
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

/// A collection under way.
struct Run<'r> {
    registry: &'r Registry,
    pace: CollectionPace,
    collected: Collected,
    began: Instant,
    spent: u64,
    /// Whether it was found that the stores belong together.
    is_sure: bool,
    /// So many removals are left of those that were found to be allowed.
    allowed: u64,
}

impl Registry {
    /// Reviews what is due, and removes what is left over, until nothing is. `report` hears of each step.
    pub async fn collect(
        &self,
        pace: CollectionPace,
        mut report: impl FnMut(&Collected) + Send,
    ) -> Result<Collected, RegistryError> {
        self.require_writable()?;
        let (collected, began) = (Collected::default(), self.clock.instant());
        let mut run = Run { registry: self, pace, collected, began, spent: 0, is_sure: false, allowed: 0 };
        if self.doubts.load(Ordering::Relaxed) || self.mark_is_old().await? {
            run.is_stopped().await?;
        }
        loop {
            let done = run.step().await?;
            if done == 0 {
                return Ok(run.collected);
            }
            report(&run.collected);
            run.spent += done;
            run.keep_pace().await;
        }
    }

    /// What waits and what was done since the beginning.
    pub async fn collection_status(&self) -> Result<CollectionStatus, RegistryError> {
        Ok(self.metadata.collection_status().await?)
    }

    /// What a collection at this pace would remove now, and after the grace period. Changes nothing.
    pub async fn forecast_collection(&self, pace: CollectionPace) -> Result<CollectionForecast, RegistryError> {
        Ok(self.metadata.forecast_collection(pace.keep).await?)
    }
}

impl Run<'_> {
    /// One batch of each kind; how many entries that were.
    async fn step(&mut self) -> Result<u64, RegistryError> {
        let mut done = self.empty_trash().await?;
        for kind in ReviewKind::ALL {
            let is_stopped = if kind == ReviewKind::Removal { self.asks_first() } else { false };
            if self.pace.reviews && !self.is_halted() && !is_stopped {
                done += self.review(kind).await?;
            }
        }
        if self.pace.removes_contents && !self.is_halted() {
            done += self.remove_contents().await?;
        }
        Ok(done)
    }

    /// What was in the trash for its time.
    async fn empty_trash(&mut self) -> Result<u64, RegistryError> {
        if !self.pace.reviews || self.is_halted() {
            return Ok(0);
        }
        let due = self.registry.metadata.due_trash(BATCH).await?;
        if due.is_empty() || self.is_stopped().await? {
            return Ok(0);
        }
        self.registry.remove_due_trash(&due).await?;
        Ok(due.len() as u64)
    }

    /// Whether a person is to be asked before more blobs are removed; all else continues.
    fn asks_first(&self) -> bool {
        matches!(self.collected.stopped, Some(CollectionStop::AsksFirst(_)))
    }

    fn is_halted(&self) -> bool {
        self.collected.stopped.is_some() && !self.asks_first()
    }

    async fn review(&mut self, kind: ReviewKind) -> Result<u64, RegistryError> {
        let (delay, metadata) = (self.delay(kind), &self.registry.metadata);
        let limit = if kind == ReviewKind::Removal { self.removals().await? } else { BATCH };
        if limit == 0 {
            return Ok(0);
        }
        let reviews = metadata.claim_reviews(kind, delay, CLAIM, limit).await?;
        let count = reviews.len() as u64;
        if count == 0 || self.is_stopped().await? {
            return Ok(0);
        }
        let review = |review| async move { metadata.review(review).await };
        let mut outcomes = stream::iter(reviews).map(review).buffer_unordered(AT_ONCE);
        while let Some(outcome) = outcomes.try_next().await? {
            if outcome == Reviewed::Collected {
                self.collected.count(kind);
            }
        }
        Ok(count)
    }

    fn delay(&self, kind: ReviewKind) -> Duration {
        match kind {
            ReviewKind::Manifest => self.pace.keep,
            ReviewKind::Removal => self.pace.grace,
            ReviewKind::Link | ReviewKind::Blob => Duration::ZERO,
        }
    }

    /// How many removals may be claimed: none, if a person is to be asked first.
    async fn removals(&mut self) -> Result<u32, RegistryError> {
        if self.allowed == 0 {
            let found = self.registry.removals().await?;
            if !found.are_allowed {
                self.collected.stopped = Some(CollectionStop::AsksFirst(found));
                return Ok(0);
            }
            self.allowed = found.waiting;
        }
        let limit = u32::try_from(self.allowed).unwrap_or(BATCH).min(BATCH);
        self.allowed -= u64::from(limit);
        Ok(limit)
    }

    /// Before the first change: whether there is a reason not to make any. What was claimed is free again in a moment.
    async fn is_stopped(&mut self) -> Result<bool, RegistryError> {
        if !self.is_sure {
            let stop = self.registry.collection_stop().await?;
            self.is_sure = stop.is_none();
            // What this run has claimed is not due for a while, so that the next one would not look.
            self.registry.doubts.store(stop.is_some(), Ordering::Relaxed);
            self.collected.stopped = stop.or_else(|| self.collected.stopped.take());
        }
        Ok(!self.is_sure)
    }

    async fn remove_contents(&mut self) -> Result<u64, RegistryError> {
        let doomed = self.registry.metadata.claim_doomed(CLAIM, self.registry.most_contents()).await?;
        if doomed.is_empty() || self.is_stopped().await? {
            return Ok(0);
        }
        let count = doomed.len() as u64;
        self.collected.freed_bytes += self.registry.remove_contents(doomed).await?;
        Ok(count)
    }

    async fn keep_pace(&self) {
        let Some(rate) = self.pace.rate.filter(|rate| *rate > 0) else { return };
        let due = Duration::from_millis(self.spent.saturating_mul(1000) / u64::from(rate));
        let passed = self.registry.clock.instant().saturating_duration_since(self.began);
        tokio::time::sleep(due.saturating_sub(passed)).await;
    }
}

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
