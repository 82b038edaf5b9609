//! What is known of a job: how its last run went, and when it runs next.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// The state of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobReport {
    /// Its name, which programs may rely on.
    pub(crate) name: &'static str,
    /// How many of its runs have finished.
    pub(crate) runs: u64,
    /// How many runs have failed in a row.
    pub(crate) failures: u32,
    /// The last run that has finished.
    pub(crate) last: Option<LastRun>,
    /// What it does now.
    pub(crate) now: Now,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastRun {
    pub(crate) started: Timestamp,
    pub(crate) took: Duration,
    pub(crate) result: Result<(), String>,
}

/// What a job does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    /// It waits for its next run, at this time unless it is asked sooner.
    WaitsUntil(Timestamp),
    /// Another node runs it.
    RunsElsewhere,
    /// It has run since then.
    RunsSince(Timestamp),
    /// The server stops; it does not run again.
    Stopped,
}

/// A report that its job writes and others read.
#[derive(Debug)]
pub(super) struct Board(Mutex<JobReport>);

impl Board {
    pub(super) fn new(name: &'static str, first_run: Timestamp) -> Self {
        Self(Mutex::new(JobReport { name, runs: 0, failures: 0, last: None, now: Now::WaitsUntil(first_run) }))
    }

    pub(super) fn read(&self) -> JobReport {
        self.locked().clone()
    }

    pub(super) fn set(&self, now: Now) {
        self.locked().now = now;
    }

    /// Records a finished run; returns how many have failed in a row without it, and with it.
    pub(super) fn finished(&self, last: LastRun) -> (u32, u32) {
        let mut report = self.locked();
        let before = report.failures;
        report.failures = if last.result.is_ok() { 0 } else { before.saturating_add(1) };
        report.runs += 1;
        report.last = Some(last);
        (before, report.failures)
    }

    /// Every change is complete in itself, so a panic elsewhere leaves a sound report.
    fn locked(&self) -> MutexGuard<'_, JobReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
