//! Carries out the steps that are missing, one by one, while other nodes may be about to do the same.

use std::future::Future;
use std::time::Duration;

use super::Steps;
use super::status::{Applied, label};
use crate::domain::Clock;
use crate::storage::StorageError;

/// How long to wait for another process that carries out steps, or holds a lock that one needs.
const PATIENCE: Duration = Duration::from_mins(10);

/// A step, or several that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage::metadata) enum Step {
    /// All of them, in a database where nothing was made yet.
    Create,
    /// The expanding step of this number.
    Expand(i64),
    /// The contracting step of this number; programs that know no schema as high are refused from then on.
    Contract(i64),
}

/// What became of a step.
pub(in crate::storage::metadata) enum Stepped {
    /// It is done, by this process or by another one.
    Done,
    /// Another process was in the way for a while, as the text says.
    Held(String),
}

/// A database whose schema can be changed.
pub(in crate::storage::metadata) trait Schema: Send {
    /// What it has, without changing anything.
    fn applied(&mut self) -> impl Future<Output = Result<Applied, StorageError>> + Send;

    /// Carries out a step in a transaction that excludes other processes; where one of them has been quicker, nothing.
    fn carry_out(&mut self, step: Step, steps: &Steps) -> impl Future<Output = Result<Stepped, StorageError>> + Send;
}

/// Carries out the expanding steps that are missing, and tells which. Nothing is written, nor locked, where none is.
///
/// Errors: [`StorageError::Failed`] where a newer version has made the schema one that this program may not work with.
pub(in crate::storage::metadata) async fn expand(
    database: &mut impl Schema,
    steps: &Steps,
    clock: &Clock,
) -> Result<Vec<String>, StorageError> {
    let mut done = Vec::new();
    loop {
        let applied = database.applied().await?;
        applied.check(steps)?;
        let (step, labels) = match applied.missing(steps).next() {
            None => return Ok(done),
            Some(_) if applied.is_new() => (Step::Create, applied.missing(steps).map(label).collect()),
            Some(step) => (Step::Expand(step.version), vec![label(step)]),
        };
        if let Step::Expand(_) = step {
            tracing::info!(step = %labels[0], "bringing the schema of the metadata database up to date");
        }
        patiently(database, step, steps, clock).await?;
        done.extend(labels);
    }
}

/// Carries out the contracting steps that are missing, and tells which; what they build on comes first.
pub(in crate::storage::metadata) async fn finalize(
    database: &mut impl Schema,
    steps: &Steps,
    clock: &Clock,
) -> Result<Vec<String>, StorageError> {
    expand(database, steps, clock).await?;
    let mut done = Vec::new();
    loop {
        let applied = database.applied().await?;
        let Some(step) = applied.to_finalize(steps).next() else { return Ok(done) };
        patiently(database, Step::Contract(step.version), steps, clock).await?;
        done.push(label(step));
    }
}

/// Tries again while others are in the way, and says so in the log.
async fn patiently(database: &mut impl Schema, step: Step, steps: &Steps, clock: &Clock) -> Result<(), StorageError> {
    let since = clock.instant();
    let mut told = false;
    loop {
        match database.carry_out(step, steps).await? {
            Stepped::Done => return Ok(()),
            Stepped::Held(why) if clock.instant().saturating_duration_since(since) >= PATIENCE => {
                return Err(StorageError::Busy(format!(
                    "the schema of the metadata database could not be changed for {} minutes: {why}",
                    PATIENCE.as_secs() / 60
                )));
            }
            Stepped::Held(why) if !told => {
                told = true;
                tracing::info!(
                    why,
                    "waiting to bring the schema of the metadata database up to date: another process is doing it, or holds a lock"
                );
            }
            Stepped::Held(_) => {}
        }
    }
}
