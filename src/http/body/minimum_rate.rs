//! How slowly a request body may arrive: how long it may be idle, and the average rate that it must keep.
//!
//! Only time spent waiting for the client counts, so that a busy disk is never held against it. A body begins with a credit of time,
//! earns more with every byte, and is rejected when the credit is spent: it may be slow for a while, but not throughout.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// After this long without a byte the reader is told, so that it holds no buffer meanwhile.
const QUIET: Duration = Duration::from_secs(1);

/// The limits that the operator has set.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct MinimumRate {
    /// How long a body may be idle, and how far it may fall behind the rate.
    pub(in crate::http) idle: Duration,
    /// The least bytes per second; 0: any rate.
    pub(in crate::http) rate: u64,
}

/// The credit of one body.
pub(in crate::http) struct RateMeter {
    minimum_rate: MinimumRate,
    credit: Duration,
    /// Since when the client is waited for.
    since: Option<Instant>,
    quiet_told: bool,
    /// Armed once and moved on only when it fires: most waits are far shorter.
    timer: Option<Pin<Box<Sleep>>>,
}

/// The outcome of waiting.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) enum Waited {
    /// Nothing came for a second: once per wait.
    Quiet,
    /// The body has been idle for too long, or is too slow on average.
    TooLong(String),
}

impl RateMeter {
    pub(in crate::http) fn new(minimum_rate: MinimumRate) -> Self {
        Self { minimum_rate, credit: minimum_rate.idle, since: None, quiet_told: false, timer: None }
    }

    /// Bytes have come.
    pub(in crate::http) fn received(&mut self, bytes: usize) {
        // Without a wait there is nothing to look at the clock for, and the credit can only grow.
        let waited = self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.earn(waited, bytes);
    }

    /// To be polled while nothing comes.
    pub(in crate::http) fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<Waited> {
        let since = *self.since.get_or_insert_with(Instant::now);
        loop {
            let due = match self.judge(since.elapsed()) {
                Err(waited) => return Poll::Ready(waited),
                Ok(next) => since + next,
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.is_elapsed() || timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(context));
        }
    }

    fn earn(&mut self, waited: Duration, bytes: usize) {
        if let Some(earned) = (bytes as u64).saturating_mul(1_000_000).checked_div(self.minimum_rate.rate) {
            let credit = self.credit.saturating_sub(waited).saturating_add(Duration::from_micros(earned));
            self.credit = credit.min(self.minimum_rate.idle);
        }
        self.quiet_told = false;
    }

    /// The outcome after waiting for so long; if it is still open, when to check again.
    fn judge(&mut self, waited: Duration) -> Result<Duration, Waited> {
        if waited >= self.limit() {
            return Err(Waited::TooLong(self.explanation()));
        }
        if self.quiet_told {
            return Ok(self.limit());
        }
        if waited >= QUIET {
            self.quiet_told = true;
            return Err(Waited::Quiet);
        }
        Ok(self.limit().min(QUIET))
    }

    /// How long a body may be idle.
    pub(in crate::http) fn idle(&self) -> Duration {
        self.minimum_rate.idle
    }

    fn limit(&self) -> Duration {
        if self.minimum_rate.rate == 0 { self.minimum_rate.idle } else { self.minimum_rate.idle.min(self.credit) }
    }

    fn explanation(&self) -> String {
        let MinimumRate { idle, rate } = self.minimum_rate;
        if self.limit() == idle {
            format!("no byte came for {} seconds (server.idle_timeout)", idle.as_secs())
        } else {
            format!("fewer than {rate} bytes per second on average (server.minimum_rate)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: MinimumRate = MinimumRate { idle: Duration::from_mins(1), rate: 1024 };

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn an_idle_body_is_rejected_and_its_pause_reported_once() {
        let mut meter = RateMeter::new(LIMITS);
        assert_eq!(meter.judge(seconds(0)), Ok(QUIET));
        assert_eq!(meter.judge(seconds(1)), Err(Waited::Quiet));
        assert_eq!(meter.judge(seconds(1)), Ok(seconds(60)));
        assert!(matches!(meter.judge(seconds(60)), Err(Waited::TooLong(why)) if why.contains("idle_timeout")));
        meter.earn(seconds(1), 10_000);
        assert_eq!(meter.judge(seconds(1)), Err(Waited::Quiet), "the next wait is another one");
    }

    #[test]
    fn a_byte_now_and_then_does_not_keep_a_body_alive() {
        let mut meter = RateMeter::new(LIMITS);
        for _ in 0..6 {
            assert_eq!(meter.judge(seconds(1)), Err(Waited::Quiet));
            assert!(meter.judge(seconds(9)).is_ok());
            meter.earn(seconds(10), 1);
        }
        assert!(matches!(meter.judge(seconds(1)), Err(Waited::TooLong(why)) if why.contains("minimum_rate")));
    }

    #[test]
    fn a_slow_body_above_the_rate_continues_for_hours() {
        let mut meter = RateMeter::new(LIMITS);
        for _ in 0..1000 {
            assert!(meter.judge(seconds(0)).is_ok() && meter.judge(seconds(30)) == Err(Waited::Quiet));
            meter.earn(seconds(30), 31 * 1024);
        }
    }

    #[test]
    fn what_was_fast_once_buys_no_more_than_the_first_credit() {
        let mut meter = RateMeter::new(LIMITS);
        meter.earn(seconds(0), 1 << 30);
        assert!(matches!(meter.judge(seconds(60)), Err(Waited::TooLong(_))));
    }

    #[test]
    fn without_a_rate_any_trickle_will_do() {
        let mut meter = RateMeter::new(MinimumRate { rate: 0, ..LIMITS });
        for _ in 0..1000 {
            assert_eq!(meter.judge(seconds(59)), Err(Waited::Quiet));
            meter.earn(seconds(59), 1);
        }
    }
}
