//! Whether what was read of a repository is still true: each write raises the repository's generation in its own transaction, in any
//! process, and whatever is remembered of a repository names the generation that it was read at.
//!
//! The generation of a repository is read again once it is older than a moment (`SEEN_WITHIN`), with one indexed read for all that is remembered of
//! it: from half that age on by the first request that finds it so, while the others are still served. Where the database takes longer
//! than that, those that come meanwhile wait for the read that is under way, if it began late enough for them: a busy repository costs
//! one read at a time, and not one for each request. What this process writes itself is never served stale: it raises the epoch of the
//! repository's slot before it answers, and a generation of another epoch is read again at once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use moka::sync::Cache;

use super::{Registry, RegistryError};
use crate::domain::{Clock, RepositoryName};
use crate::storage::StorageError;

const SLOTS: usize = 1024;
/// How many repositories' generations are remembered.
const GENERATIONS: u64 = 10_000;

/// What the database said last of each repository.
pub(super) struct Generations {
    seen: Cache<RepositoryName, Arc<Generation>>,
    /// Those that are read now. Each is there for as long as the request that has begun it.
    readings: Mutex<HashMap<RepositoryName, Reading>>,
    epochs: Box<[AtomicU64]>,
    hash: RandomState,
    clock: Clock,
    /// For how long what was seen counts.
    within: Duration,
}

/// What the database said of a repository.
struct Generation {
    seen: Moment,
    /// `None` if it does not exist.
    number: Option<i64>,
    /// Whether a request reads it again already.
    being_read: AtomicBool,
}

/// What the database is going to say.
type Answer = Shared<BoxFuture<'static, Result<Option<i64>, StorageError>>>;

/// A read that is under way.
struct Reading {
    began: Moment,
    answer: Answer,
}

/// The request that has begun a read.
struct Begun<'g> {
    generations: &'g Generations,
    repository: &'g RepositoryName,
    began: Moment,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let mut readings = self.generations.readings();
        if readings.get(self.repository).is_some_and(|reading| reading.began == self.began) {
            readings.remove(self.repository);
        }
    }
}

impl Generation {
    /// Whether the request that asks is the one that is to read it again, ahead of time.
    fn is_to_be_read_by(&self, now: Moment, within: Duration) -> bool {
        self.seen.age_at(now) >= within / 2 && !self.being_read.swap(true, Ordering::Relaxed)
    }
}

/// When the database was asked: by the clock, and in terms of this process's own writes to the repository.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    at: Instant,
    epoch: u64,
}

impl Moment {
    /// Whether what was seen at this moment still counts at the later one.
    fn holds_at(self, later: Self, within: Duration) -> bool {
        self.epoch == later.epoch && self.age_at(later) < within
    }

    fn age_at(self, later: Self) -> Duration {
        later.at.saturating_duration_since(self.at)
    }
}

/// What is known of something that was read at some generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is still true.
    Holds,
    /// It is if the repository still has the generation.
    ToCompare,
    /// It has to be read again.
    Outdated,
}

impl Generations {
    pub(super) fn new(clock: Clock, within: Duration) -> Self {
        Self {
            seen: Cache::new(GENERATIONS),
            readings: Mutex::default(),
            epochs: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hash: RandomState::new(),
            clock,
            within,
        }
    }

    /// To be noted before the database is asked, and before what is remembered is looked up.
    pub(super) fn moment(&self, repository: &RepositoryName) -> Moment {
        Moment { at: self.clock.instant(), epoch: self.slot(repository).load(Ordering::Acquire) }
    }

    /// What is known, at this moment, of something that was read of the repository at generation `number`.
    pub(super) fn standing(&self, repository: &RepositoryName, number: i64, now: Moment) -> Standing {
        match self.seen.get(repository) {
            Some(generation) if !generation.seen.holds_at(now, self.within) => Standing::ToCompare,
            Some(generation) if generation.number != Some(number) => Standing::Outdated,
            Some(generation) if generation.is_to_be_read_by(now, self.within) => Standing::ToCompare,
            Some(_) => Standing::Holds,
            None => Standing::ToCompare,
        }
    }

    /// Notes which generation the repository had after `moment`; `None` if it does not exist.
    pub(super) fn saw(&self, repository: &RepositoryName, moment: Moment, number: Option<i64>) {
        let generation = Generation { seen: moment, number, being_read: AtomicBool::new(false) };
        self.seen.insert(repository.clone(), Arc::new(generation));
    }

    /// The read that a request of this moment may use: one that is under way, or else the one that `begin` begins.
    fn reading<'g>(
        &'g self,
        repository: &'g RepositoryName,
        now: Moment,
        begin: impl FnOnce() -> BoxFuture<'static, Result<Option<i64>, StorageError>>,
    ) -> (Answer, Option<Begun<'g>>) {
        let mut readings = self.readings();
        if let Some(reading) = readings.get(repository)
            && reading.began.holds_at(now, self.within)
        {
            return (reading.answer.clone(), None);
        }
        let answer = begin().shared();
        readings.insert(repository.clone(), Reading { began: now, answer: answer.clone() });
        (answer, Some(Begun { generations: self, repository, began: now }))
    }

    fn readings(&self) -> MutexGuard<'_, HashMap<RepositoryName, Reading>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called after every write to the repository, before it is acknowledged.
    pub(super) fn invalidate(&self, repository: &RepositoryName) {
        self.slot(repository).fetch_add(1, Ordering::AcqRel);
    }

    fn slot(&self, repository: &RepositoryName) -> &AtomicU64 {
        let hash = self.hash.hash_one(repository);
        // SLOTS is a power of two well below 2^32, so the cast keeps what the mask keeps.
        #[allow(clippy::cast_possible_truncation)]
        let index = hash as usize & (SLOTS - 1);
        &self.epochs[index]
    }
}

impl Registry {
    /// Whether what was read of the repository at generation `number` is still true; the database is asked where that is not known.
    pub(super) async fn holds(
        &self,
        repository: &RepositoryName,
        number: i64,
        now: Moment,
    ) -> Result<bool, RegistryError> {
        match self.generations.standing(repository, number, now) {
            Standing::Holds => Ok(true),
            Standing::Outdated => Ok(false),
            Standing::ToCompare => {
                let (metadata, name) = (Arc::clone(&self.metadata), repository.clone());
                let read = || async move { metadata.generation(&name).await }.boxed();
                let (answer, begun) = self.generations.reading(repository, now, read);
                let current = answer.await?;
                if begun.is_some() {
                    self.generations.saw(repository, now, current);
                }
                Ok(current == Some(number))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::Standing::{Holds, Outdated, ToCompare};
    use super::*;
    use crate::domain::ManualClock;
    use crate::storage::coordination::SEEN_WITHIN;

    fn repository() -> RepositoryName {
        "a".parse().expect("a name")
    }

    #[test]
    fn what_raced_a_write_of_this_process_is_compared_first() {
        let (generations, repository) = (Generations::new(Clock::system(), SEEN_WITHIN), repository());
        let standing = || generations.standing(&repository, 1, generations.moment(&repository));
        let before = generations.moment(&repository);
        generations.invalidate(&repository);
        generations.saw(&repository, before, Some(1));
        assert_eq!(standing(), ToCompare);

        generations.saw(&repository, generations.moment(&repository), Some(1));
        assert_eq!(standing(), Holds);
        generations.invalidate(&repository);
        assert_eq!(standing(), ToCompare, "a write ends what was known");
    }

    #[test]
    fn requests_of_about_the_same_time_share_a_read() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let (generations, repository) = (Generations::new(clock.clock(), SEEN_WITHIN), repository());
        let reading = |number| {
            let read = move || async move { Ok(Some(number)) }.boxed();
            generations.reading(&repository, generations.moment(&repository), read)
        };
        let number = |answer: &Answer| answer.clone().now_or_never().expect("at once").expect("read");
        let (first, begun) = reading(1);
        clock.advance(SEEN_WITHIN / 2);
        let (second, also) = reading(2);
        assert!(begun.is_some() && also.is_none());
        assert_eq!((number(&first), number(&second)), (Some(1), Some(1)));

        clock.advance(SEEN_WITHIN / 2);
        let (third, later) = reading(3);
        assert_eq!(number(&third), Some(3), "the first began too early for this one");
        drop(begun);
        assert_eq!(number(&reading(4).0), Some(3), "it is still under way");
        generations.invalidate(&repository);
        assert_eq!(number(&reading(5).0), Some(5), "this process has written meanwhile");
        drop(later);
        assert_eq!(number(&reading(6).0), Some(6), "the last one has ended");
    }

    #[test]
    fn a_generation_is_read_again_after_a_while_and_for_all_of_the_repository() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let (generations, repository) = (Generations::new(clock.clock(), SEEN_WITHIN), repository());
        let saw = |number| generations.saw(&repository, generations.moment(&repository), number);
        let standing = || generations.standing(&repository, 1, generations.moment(&repository));
        saw(Some(1));
        clock.advance(SEEN_WITHIN / 3);
        assert_eq!(standing(), Holds);
        clock.advance(SEEN_WITHIN / 3);
        assert_eq!(standing(), ToCompare, "one request reads it again ahead of time");
        assert_eq!((standing(), standing()), (Holds, Holds), "the others are served");
        clock.advance(SEEN_WITHIN / 2);
        assert_eq!((standing(), standing()), (ToCompare, ToCompare));

        saw(Some(1));
        assert_eq!((standing(), standing()), (Holds, Holds));
        saw(Some(2));
        assert_eq!(standing(), Outdated, "it has to be read again");
        saw(None);
        assert_eq!(standing(), Outdated, "the repository was removed");
    }
}
