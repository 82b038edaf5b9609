//! What a job is: a name, when it runs, what it does, and what its failure means for the operator.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::backoff::Backoff;
use crate::storage::coordination;

/// The longest wait after failures, unless a job says otherwise.
const LONGEST_RETRY: Duration = Duration::from_hours(1);

/// Why a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is time.
    Due,
    /// It was asked to, for example by SIGHUP: what could be skipped because nothing seems to have changed must not be.
    Asked,
}

/// What a job does each time.
///
/// A run may be dropped at any await when the server stops, and may panic; it must leave its state and the database as sound as a crash
/// at that point would.
#[async_trait]
pub(crate) trait Work: Send + 'static {
    /// Does it once. That there was nothing to do is not a failure.
    async fn run(&mut self, cause: Cause) -> Result<(), Failure>;
}

/// Why a run has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(super) message: String,
    pub(super) retry_after: Duration,
}

impl Failure {
    /// As `error` says.
    pub(crate) fn of(error: &impl fmt::Display) -> Self {
        Self::retry_after(error, Duration::ZERO)
    }

    /// As `error` says; it is of no use to try again sooner than `retry_after`.
    pub(crate) fn retry_after(error: &impl fmt::Display, retry_after: Duration) -> Self {
        Self { message: error.to_string(), retry_after }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

/// One job, ready to be started.
pub(crate) struct Job {
    pub(super) name: &'static str,
    pub(super) every: Duration,
    pub(super) first_after: Duration,
    pub(super) backoff: Backoff,
    pub(super) on_reload: bool,
    pub(super) under_lease: bool,
    pub(super) consequence: &'static str,
    pub(super) work: Box<dyn Work>,
}

impl Job {
    /// Runs at once, then `every` so often, counted from the end of a run; at most a tenth sooner, and never later. `consequence` is
    /// what a failure means for the operator.
    pub(crate) fn new(name: &'static str, every: Duration, consequence: &'static str, work: impl Work) -> Self {
        let backoff = Backoff { first: every, longest: LONGEST_RETRY.max(every) };
        let work = Box::new(work);
        Self {
            name,
            every,
            first_after: Duration::ZERO,
            backoff,
            on_reload: false,
            under_lease: false,
            consequence,
            work,
        }
    }

    /// Runs for the first time only after this long.
    pub(crate) fn first_after(self, first_after: Duration) -> Self {
        Self { first_after, ..self }
    }

    /// How it is retried after failures: `first`, doubled up to `longest`.
    pub(crate) fn retry(self, first: Duration, longest: Duration) -> Self {
        Self { backoff: Backoff { first, longest }, ..self }
    }

    /// Runs on one of several nodes, under the lease of its name: what a run writes to the metadata store is refused once another node has
    /// taken that. What it changes elsewhere must do no harm if it comes twice.
    pub(crate) fn under_lease(self) -> Self {
        Self { under_lease: true, ..self }
    }

    /// Runs at once on SIGHUP.
    pub(crate) fn on_reload(self) -> Self {
        Self { on_reload: true, ..self }
    }
}

/// Work on files and keys, which blocks and must not hold up the runtime's own threads.
pub(crate) fn blocking<W>(work: W) -> impl Work
where
    W: FnMut(Cause) -> Result<(), Failure> + Send + 'static,
{
    Blocking(Arc::new(Mutex::new(work)))
}

struct Blocking<W>(Arc<Mutex<W>>);

#[async_trait]
impl<W> Work for Blocking<W>
where
    W: FnMut(Cause) -> Result<(), Failure> + Send + 'static,
{
    async fn run(&mut self, cause: Cause) -> Result<(), Failure> {
        let work = Arc::clone(&self.0);
        // The driver catches the panic, and tries again later.
        let run = move || work.lock().unwrap_or_else(PoisonError::into_inner)(cause);
        let lease = coordination::current();
        let run = move || lease.map_or_else(&run, |lease| coordination::under_blocking(lease, &run));
        match tokio::task::spawn_blocking(run).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(cancelled.into()),
            },
        }
    }
}
