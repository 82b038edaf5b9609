//! Runs one job again and again. Each job has one task, so two of its runs never overlap; between runs the task waits for the time, for
//! being asked, or for the end.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::job::{Cause, Failure, Job};
use super::leaseholder::LeaseWatch;
use super::report::{Board, LastRun, Now};
use crate::domain::Clock;
use crate::storage::coordination::under;

/// By how much of itself a wait is shortened at most, so that the nodes of one registry do not come all at once. Never lengthened: for
/// some jobs "within a second" is promised.
const JITTER: f64 = 0.1;
/// Between two lines of the log about a job that fails in the same way.
const LOG_AGAIN: Duration = Duration::from_hours(1);

/// A job with what it shares with its handle.
pub(super) struct Driver {
    pub(super) job: Job,
    pub(super) clock: Clock,
    pub(super) board: Arc<Board>,
    pub(super) asked: Arc<Notify>,
    pub(super) stop: CancellationToken,
    /// Where only one of several nodes runs the job.
    pub(super) lease: Option<LeaseWatch>,
    /// The failure that was logged last, and when.
    pub(super) logged: Option<(String, Instant)>,
}

impl Driver {
    /// Until the server stops. A run in progress is dropped then.
    pub(super) async fn drive(mut self) {
        let stop = self.stop.clone();
        match self.lease.take() {
            None => stop.run_until_cancelled(self.repeat(self.job.first_after)).await,
            Some(lease) => stop.run_until_cancelled(self.repeat_under(lease)).await,
        };
        self.board.set(Now::Stopped);
    }

    /// Whenever this node has the lease. A run in progress is dropped when it loses it.
    async fn repeat_under(&mut self, mut watch: LeaseWatch) {
        let started = Instant::now();
        loop {
            self.board.set(Now::RunsElsewhere);
            let lease = watch.held().await;
            let first = self.job.first_after.saturating_sub(started.elapsed());
            tokio::select! {
                // A process that was paused sees this first.
                biased;
                () = watch.lost(&lease) => {}
                () = under(lease.clone(), self.repeat(first)) => {}
            }
        }
    }

    async fn repeat(&mut self, first: Duration) {
        let mut wait = first;
        loop {
            self.board.set(Now::WaitsUntil(later(self.clock.now(), wait)));
            let cause = tokio::select! {
                () = self.asked.notified() => Cause::Asked,
                () = tokio::time::sleep(wait) => Cause::Due,
            };
            wait = self.run(cause).await;
        }
    }

    /// Runs once and notes how it went; gives the time until the next run.
    async fn run(&mut self, cause: Cause) -> Duration {
        let (started, since) = (self.clock.now(), Instant::now());
        self.board.set(Now::RunsSince(started));
        let run = AssertUnwindSafe(self.job.work.run(cause)).catch_unwind();
        let outcome = run.await.unwrap_or_else(|panic| Err(panicked(&*panic)));
        let result = outcome.clone().map_err(|failure| failure.message);
        let (before, failures) = self.board.finished(LastRun { started, took: since.elapsed(), result });
        match outcome {
            Ok(()) => {
                self.logged = None;
                if before > 0 {
                    tracing::info!(job = self.job.name, failures = before, "job works again");
                }
                shortened(self.job.every, rand::random())
            }
            Err(failure) => {
                let wait = shortened(self.job.backoff.after(failures), rand::random()).max(failure.retry_after);
                self.log(&failure, cause, wait);
                wait
            }
        }
    }

    /// When it begins to fail, fails otherwise than before, or was asked to run, and else once an hour: the repetitions would bury the
    /// rest of the log.
    fn log(&mut self, failure: &Failure, cause: Cause, wait: Duration) {
        let is_logged =
            self.logged.as_ref().is_some_and(|(message, at)| *message == failure.message && at.elapsed() < LOG_AGAIN);
        if is_logged && cause == Cause::Due {
            return;
        }
        tracing::error!(
            job = self.job.name,
            error = failure.message,
            retry_seconds = wait.as_secs_f32(),
            "{}",
            self.job.consequence
        );
        self.logged = Some((failure.message.clone(), Instant::now()));
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::retry_after(&format!("panicked: {}", text.unwrap_or("without a message")), Duration::ZERO)
}

/// `wait` without up to a tenth of it; `random` is from 0 to 1.
fn shortened(wait: Duration, random: f64) -> Duration {
    wait.mul_f64(1.0 - JITTER * random)
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
