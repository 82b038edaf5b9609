//! Whether the object store is asked at all. After several failures in a row it is not, so that requests fail at once instead of one time-out
//! after the other; then one request tries, and the rest follow if that succeeds.
//!
//! ```text
//! closed --FAILURES in a row--> open --after a pause--> one tries --success--> closed
//!                                ^------twice the pause---- failure
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::Clock;

/// How many failures in a row open it.
const FAILURES: u32 = 8;
/// The first pause, and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Counts failures.
#[derive(Debug)]
pub(super) struct Breaker {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    pause: Duration,
    trying: bool,
}

/// A request that may be sent. Its outcome is to be told; one that is dropped had none.
pub(super) struct Attempt {
    breaker: Arc<Breaker>,
    is_trial: bool,
}

impl Breaker {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default() })
    }

    /// `None` where the object store is left alone for now.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Attempt> {
        let now = self.clock.instant();
        let mut state = self.state();
        let is_trial = match &mut state.open {
            None => false,
            Some(open) if open.trying || now < open.until => return None,
            Some(open) => {
                open.trying = true;
                true
            }
        };
        Some(Attempt { breaker: Arc::clone(self), is_trial })
    }

    /// Every change is complete in itself.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// The object store answered, if not what was hoped for.
    pub(super) fn succeeded(self) {
        let mut state = self.breaker.state();
        state.failures = 0;
        if self.is_trial || state.open.is_none() {
            let was_open = state.open.take().is_some();
            drop(state);
            if was_open {
                tracing::info!("the object store answers again");
            }
        }
    }

    /// It did not answer, or could not work.
    pub(super) fn failed(self) {
        let now = self.breaker.clock.instant();
        let mut state = self.breaker.state();
        state.failures = state.failures.saturating_add(1);
        let failures = state.failures;
        match &mut state.open {
            Some(open) if self.is_trial => {
                let pause = (open.pause * 2).min(LONGEST_PAUSE);
                *open = Open { until: now + pause, pause, trying: false };
            }
            None if failures >= FAILURES => {
                state.open = Some(Open { until: now + PAUSE, pause: PAUSE, trying: false });
                drop(state);
                tracing::warn!(failures, "the object store fails: blobs are answered 503 until it answers again");
            }
            // Sent before it opened, or one of few.
            _ => {}
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_trial
            && let Some(open) = &mut self.breaker.state().open
        {
            open.trying = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::ManualClock;

    #[test]
    fn after_failures_in_a_row_one_request_tries_at_a_time() {
        let manual = ManualClock::at(Timestamp::from_second(1_800_000_000).expect("in range"));
        let breaker = Breaker::new(manual.clock());
        let admit = || breaker.admit();
        for _ in 1..FAILURES {
            admit().expect("closed").failed();
        }
        admit().expect("closed").succeeded();
        for _ in 0..FAILURES {
            admit().expect("only failures in a row count").failed();
        }
        assert!(admit().is_none());
        manual.advance(PAUSE);
        let trial = admit().expect("one tries");
        assert!(admit().is_none(), "only one");
        drop(trial);
        admit().expect("another, as the first had no outcome").failed();
        manual.advance(PAUSE);
        assert!(admit().is_none(), "the pause is twice as long");
        manual.advance(PAUSE);
        admit().expect("one tries").succeeded();
        assert!(admit().is_some() && admit().is_some());
    }

    #[test]
    fn the_pause_has_a_limit() {
        let manual = ManualClock::at(Timestamp::from_second(1_800_000_000).expect("in range"));
        let breaker = Breaker::new(manual.clock());
        for _ in 0..FAILURES {
            breaker.admit().expect("closed").failed();
        }
        for _ in 0..20 {
            manual.advance(LONGEST_PAUSE);
            breaker.admit().expect("one tries").failed();
        }
    }
}
