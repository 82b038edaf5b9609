//! The one source of time. It is passed in, so that what expires, renews or locks out can be tested without waiting, and so that two
//! parts of a process never judge by different clocks.
//!
//! Where several nodes serve one registry, their clocks follow that of the database, because whether a lease, a token or an upload has
//! expired must not depend on which node is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Tells the time. Copies of it tell the same.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System(Arc<Followed>),
    Manual(ManualClock),
}

impl Default for Source {
    fn default() -> Self {
        let followed = Followed { origin: Instant::now(), time_at_origin: AtomicI64::new(Followed::NONE) };
        Self::System(Arc::new(followed))
    }
}

impl Clock {
    /// The clock of the operating system.
    pub fn system() -> Self {
        Self::default()
    }

    /// The date and time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System(followed) => followed.now().unwrap_or_else(Timestamp::now),
            Source::Manual(manual) => manual.start + manual.advanced(),
        }
    }

    /// The same in whole seconds since the Unix epoch, as the database stores times.
    pub fn seconds(&self) -> i64 {
        self.now().as_second()
    }

    /// A moment to measure durations from: it never steps back, whatever is done to the date.
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Source::System(_) => Instant::now(),
            Source::Manual(manual) => manual.origin + manual.advanced(),
        }
    }

    /// From now on the date and time are those of another clock, which read `theirs` at some moment after `asked` and before `answered`. It
    /// is set no further than those two leave no doubt. A manual clock follows none.
    pub fn follow(&self, theirs: Timestamp, asked: Instant, answered: Instant) {
        if let Source::System(followed) = &self.0 {
            followed.set(theirs, asked, answered);
        }
    }

    /// By how many milliseconds the date of the machine is ahead of this clock; negative where it is behind.
    pub fn machine_ahead(&self) -> i64 {
        match &self.0 {
            Source::System(_) => Timestamp::now().as_millisecond() - self.now().as_millisecond(),
            Source::Manual(_) => 0,
        }
    }
}

/// What is known of a clock that is followed: the time that it showed, and how long ago that was by a clock that never steps.
#[derive(Debug)]
struct Followed {
    origin: Instant,
    /// What it would have shown then, in nanoseconds since the Unix epoch, which last until 2262.
    time_at_origin: AtomicI64,
}

impl Followed {
    /// No other clock is followed.
    const NONE: i64 = i64::MIN;

    fn now(&self) -> Option<Timestamp> {
        self.at(Instant::now())
    }

    fn at(&self, moment: Instant) -> Option<Timestamp> {
        let time_at_origin = self.time_at_origin.load(Ordering::Relaxed);
        let time = i128::from(time_at_origin) + self.since_origin(moment);
        (time_at_origin != Self::NONE).then(|| Timestamp::from_nanosecond(time).unwrap_or(Timestamp::MAX))
    }

    fn set(&self, theirs: Timestamp, asked: Instant, answered: Instant) {
        let (earliest, doubt) = (theirs.as_nanosecond(), answered.saturating_duration_since(asked).as_nanos());
        let latest = earliest.saturating_add_unsigned(doubt);
        let ours = self.at(answered).unwrap_or_else(Timestamp::now).as_nanosecond();
        let time_at_origin = ours.clamp(earliest, latest) - self.since_origin(answered);
        self.time_at_origin.store(i64::try_from(time_at_origin).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    fn since_origin(&self, moment: Instant) -> i128 {
        i128::try_from(moment.saturating_duration_since(self.origin).as_nanos()).unwrap_or(i128::MAX / 2)
    }
}

/// A clock that moves only when it is told to.
#[derive(Clone, Debug)]
pub struct ManualClock {
    start: Timestamp,
    origin: Instant,
    /// In nanoseconds, which last for 584 years.
    advanced: Arc<AtomicU64>,
}

impl ManualClock {
    /// Stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self { start, origin: Instant::now(), advanced: Arc::default() }
    }

    /// What is to be passed in; it follows this one.
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(self.clone()))
    }

    /// Moves on, for every copy.
    pub fn advance(&self, by: Duration) {
        self.advanced.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    fn advanced(&self) -> Duration {
        Duration::from_nanos(self.advanced.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_takes_its_copies_along() {
        let manual = ManualClock::at(Timestamp::from_second(1_800_000_000).expect("in range"));
        let (clock, copy) = (manual.clock(), manual.clock().clone());
        let before = clock.instant();
        assert_eq!((clock.seconds(), clock.instant()), (1_800_000_000, before));
        manual.advance(Duration::from_millis(90_500));
        assert_eq!(copy.seconds(), 1_800_000_090);
        assert_eq!(copy.now().as_millisecond(), 1_800_000_090_500);
        assert_eq!(copy.instant() - before, Duration::from_millis(90_500));
    }

    #[test]
    fn a_clock_that_follows_another_is_moved_no_further_than_is_certain_and_takes_its_copies_along() {
        let (clock, moment) = (Clock::system(), Instant::now());
        let copy = clock.clone();
        assert_eq!(clock.machine_ahead(), 0);
        let theirs = Timestamp::now() - jiff::SignedDuration::from_mins(5);
        clock.follow(theirs, moment, moment);
        let ahead = copy.machine_ahead();
        assert!((300_000..301_000).contains(&ahead), "{ahead}");
    }

    #[test]
    fn an_answer_that_took_long_moves_a_clock_no_further_than_it_leaves_no_doubt() {
        let followed = Followed { origin: Instant::now(), time_at_origin: AtomicI64::new(Followed::NONE) };
        let (moment, noon) = (followed.origin, Timestamp::from_second(1_800_000_000).expect("in range"));
        let seconds = |count: i64| jiff::SignedDuration::from_secs(count);
        assert_eq!(followed.at(moment), None);
        followed.set(noon, moment, moment);
        assert_eq!(followed.at(moment), Some(noon));
        let later = moment + Duration::from_secs(10);
        followed.set(noon + seconds(3), moment, later);
        assert_eq!(followed.at(later), Some(noon + seconds(10)), "it may be so: from 3 to 13 seconds past");
        followed.set(noon - seconds(4), moment, later);
        assert_eq!(followed.at(later), Some(noon + seconds(6)), "it is too far ahead: at most 6 seconds past");
        followed.set(noon + seconds(9), later, later);
        assert_eq!(followed.at(later), Some(noon + seconds(9)));
    }

    #[test]
    fn the_clock_of_the_system_tells_the_date() {
        let clock = Clock::default();
        assert!(clock.now() >= super::super::build_time::build_time());
        assert!(clock.instant() <= clock.instant());
    }
}
