//! All that repeats while the server runs, under one driver: named jobs that run at intervals and when asked, back off when they fail,
//! survive a panic, and say how their last run went. No other loop in the program waits for time to pass, but for those that belong to
//! one connection or one call.
//!
//! [`list`] is the table of the jobs: what runs how often. A job is asked to run without input; it finds out by itself what
//! is due, so that asking twice does no harm.

mod apply_retention;
mod backoff;
mod change;
mod collect_garbage;
mod compare_settings;
pub(crate) mod copy_metadata;
mod driver;
mod drop_abandoned_uploads;
mod expire_uploads;
mod follow_certificate;
mod follow_challenges;
mod follow_client_files;
mod follow_move;
pub(crate) mod follow_shared_files;
mod forget_history;
mod heartbeat;
mod job;
mod leaseholder;
pub(crate) mod list;
mod order_certificate;
mod quotas;
mod record_pulls;
mod reload_policy;
mod remove_database_copies;
mod renew_certificate;
mod report;
mod rotate_keys;
mod scrub;
mod share_logins;

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::driver::Driver;
pub(crate) use self::heartbeat::{Heartbeat, Settings};
use self::job::Job;
pub(crate) use self::leaseholder::Leaseholder;
use self::leaseholder::{KeepLeases, LeaseKeeper, LeaseWatch, RENEWAL};
use self::report::{Board, JobReport};
use crate::domain::Clock;

/// Seldom fails, and then it is urgent: jobs stop when their leases have run out.
fn keep_leases(keeper: Arc<LeaseKeeper>) -> Job {
    let consequence = "cannot renew the leases of the jobs that only one node runs; another node may take them over";
    Job::new("keep-leases", RENEWAL, consequence, KeepLeases(keeper)).retry(RENEWAL / 10, RENEWAL)
}

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

/// Starts jobs one by one.
struct Starter {
    clock: Clock,
    tasks: TaskTracker,
    running: Vec<Running>,
}

impl Starter {
    fn new(clock: &Clock) -> Self {
        Self { clock: clock.clone(), tasks: TaskTracker::new(), running: Vec::new() }
    }

    /// Runs the job until `stop`; `tracked` tells when it has ended.
    fn start(&mut self, job: Job, lease: Option<LeaseWatch>, stop: &CancellationToken, tracked: &TaskTracker) {
        let (asked, on_reload) = (Arc::new(Notify::new()), job.on_reload);
        let board = Arc::new(Board::new(job.name, self.clock.now()));
        let (clock, stop) = (self.clock.clone(), stop.clone());
        let driver =
            Driver { job, clock, board: Arc::clone(&board), asked: Arc::clone(&asked), stop, lease, logged: None };
        self.tasks.spawn(tracked.track_future(driver.drive()));
        self.running.push(Running { board, asked, on_reload });
    }
}

impl Jobs {
    /// Starts them; they end with `stop`, or when the node begins to leave where only one node runs them. Without a leaseholder there is
    /// only this node. Needs a tokio runtime.
    pub(crate) fn start(
        jobs: Vec<Job>,
        leaseholder: Option<Leaseholder>,
        clock: &Clock,
        stop: &CancellationToken,
    ) -> Self {
        let (mut starter, leased) = (Starter::new(clock), TaskTracker::new());
        let mut keeper = leaseholder.map(LeaseKeeper::new);
        for job in jobs {
            match &mut keeper {
                Some(keeper) if job.under_lease => {
                    let lease = keeper.keep(job.name);
                    starter.start(job, Some(lease), keeper.leaving(), &leased);
                }
                _ => starter.start(job, None, stop, &TaskTracker::new()),
            }
        }
        if let Some(keeper) = keeper.map(Arc::new) {
            starter.start(keep_leases(Arc::clone(&keeper)), None, keeper.leaving(), &leased);
            leased.close();
            starter.tasks.spawn(async move {
                leased.wait().await;
                keeper.give_back().await;
            });
        }
        starter.tasks.close();
        Self { running: starter.running.into(), tasks: starter.tasks }
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
