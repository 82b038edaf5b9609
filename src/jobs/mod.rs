//! All that repeats while the server runs, under one driver: named jobs that run at intervals and when asked, back off when they fail,
//! survive a panic, and say how their last run went. No other loop in the program waits for time to pass, but for those that belong to
//! one connection or one call.
//!
//! [`list`] is the table of the jobs: what runs how often. A job is asked to run without input; it finds out by itself what
//! is due, so that asking twice does no harm.

mod backoff;
mod change;
mod driver;
mod drop_abandoned_uploads;
mod expire_uploads;
mod follow_certificate;
mod follow_challenges;
mod follow_client_files;
mod job;
pub(crate) mod list;
mod order_certificate;
mod reload_policy;
mod remove_database_copies;
mod renew_certificate;
mod report;
mod rotate_keys;

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::driver::Driver;
use self::job::Job;
use self::report::{Board, JobReport};
use crate::domain::Clock;

/// The jobs of a running server. Copies share them.
#[derive(Clone)]
pub(crate) struct Jobs {
    running: Arc<[Running]>,
    tasks: TaskTracker,
}

struct Running {
    board: Arc<Board>,
    asked: Arc<Notify>,
    on_reload: bool,
}

impl Jobs {
    /// Starts them; they end with `stop`. Needs a tokio runtime.
    pub(crate) fn start(jobs: Vec<Job>, clock: &Clock, stop: &CancellationToken) -> Self {
        let tasks = TaskTracker::new();
        let running = jobs.into_iter().map(|job| {
            let (asked, on_reload) = (Arc::new(Notify::new()), job.on_reload);
            let board = Arc::new(Board::new(job.name, clock.now()));
            let (clock, stop) = (clock.clone(), stop.clone());
            let driver =
                Driver { job, clock, board: Arc::clone(&board), asked: Arc::clone(&asked), stop, logged: None };
            tasks.spawn(driver.drive());
            Running { board, asked, on_reload }
        });
        let running = running.collect();
        tasks.close();
        Self { running, tasks }
    }

    /// Runs at once what follows files (SIGHUP). Several requests that come while such a job runs are answered by one further run.
    pub(crate) fn reload(&self) {
        self.running.iter().filter(|job| job.on_reload).for_each(|job| job.asked.notify_one());
    }

    /// The state of each job.
    fn report(&self) -> Vec<JobReport> {
        self.running.iter().map(|job| job.board.read()).collect()
    }

    /// Waits until all have stopped, and logs their state.
    pub(crate) async fn stopped(&self) {
        self.tasks.wait().await;
        for report in self.report() {
            let JobReport { name, runs, failures, last, .. } = report;
            tracing::debug!(job = name, runs, failures, ?last, "job stopped");
        }
    }
}
