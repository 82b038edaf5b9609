//! The one source of time. It is passed in, so that what expires, renews or locks out can be tested without waiting, and so that two
//! parts of a process never judge by different clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Tells the time. Copies of it tell the same.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(ManualClock),
}

impl Clock {
    /// The clock of the operating system.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The date and time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
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
            Source::System => Instant::now(),
            Source::Manual(manual) => manual.origin + manual.advanced(),
        }
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
    fn the_clock_of_the_system_tells_the_date() {
        let clock = Clock::default();
        assert!(clock.now() >= super::super::build_time::build_time());
        assert!(clock.instant() <= clock.instant());
    }
}
