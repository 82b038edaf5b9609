//! What `portcullis gc` does with the stores of a registry, whether a server runs or not.
//!
//! A content on a disk always has the same name, so that only the process which serves it may remove it: it knows of the push that publishes
//! the same content again. The command does all else, and waits until the server has removed the contents.

use std::time::Duration;

use anyhow::bail;

use super::data_directory::{DataDirectory, DataLock};
use super::operator::with_metadata_and_clock;
use super::settings::registry_settings;
use super::stores::open_blobs;
use crate::config::{BlobStoreKind, Config};
use crate::domain::Clock;
use crate::registry::{Collected, CollectionPace, CollectionStop, Registry};
use crate::storage::metadata::{CollectionForecast, CollectionStatus, Removals};

/// How often the server is looked after, and how long it may do nothing.
const LOOK: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(2);

/// After so many runs that found nothing it is done: the server may have been at some of it during one.
const QUIET: u32 = 2;

/// What the operator wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Without delays, but for leases.
    pub(crate) now: bool,
    /// Also more than is removed without asking.
    pub(crate) confirm: bool,
    /// Also what is in the queue, and not only the contents that are doomed already.
    pub(crate) reviews: bool,
}

/// What would be removed.
pub(crate) struct Forecast {
    pub(crate) found: CollectionForecast,
}

/// How the collection is.
pub(crate) struct CollectionReport {
    pub(crate) status: CollectionStatus,
    pub(crate) removals: Removals,
    /// Why nothing is removed, if so.
    pub(crate) stop: Option<CollectionStop>,
}

/// Collects what is due; `say` hears how far it is.
pub(crate) async fn collect(
    config: &Config,
    data: &DataDirectory,
    wanted: Wanted,
    say: impl Fn(String) + Send + Sync,
) -> anyhow::Result<Collected> {
    let lock = removal_lock(config, data)?;
    with_registry(config, data, async |registry| {
        if wanted.confirm {
            registry.confirm_removals().await?;
        }
        let before = registry.collection_status().await?.freed_bytes;
        let (reviews, removes_contents) = (wanted.reviews, lock.is_ok());
        let pace = CollectionPace { rate: None, reviews, removes_contents, ..pace(config, wanted.now) };
        let (mut collected, mut quiet) = (Collected::default(), 0);
        while quiet < QUIET {
            let run = registry.collect(pace, |run| say(so_far(&collected, run))).await?;
            quiet = if run.is_nothing() { quiet + 1 } else { 0 };
            collected.add(run);
            tokio::time::sleep(LOOK).await;
        }
        if let Err(server) = &lock
            && collected.stopped.is_none()
        {
            collected.freed_bytes = wait_for_server(registry, server, &say).await?.saturating_sub(before);
        }
        Ok(collected)
    })
    .await
}

/// What a collection would remove.
pub(crate) async fn forecast(config: &Config, data: &DataDirectory, now: bool) -> anyhow::Result<Forecast> {
    let pace = pace(config, now);
    with_registry(config, data, async |registry| Ok(Forecast { found: registry.forecast_collection(pace).await? }))
        .await
}

/// What waits and what was done.
pub(crate) async fn report(config: &Config, data: &DataDirectory) -> anyhow::Result<CollectionReport> {
    with_registry(config, data, async |registry| {
        let stop = registry.collection_stop().await?.or(registry.removal_stop().await?);
        let (status, removals) = (registry.collection_status().await?, registry.removals().await?);
        Ok(CollectionReport { status, removals, stop })
    })
    .await
}

fn pace(config: &Config, now: bool) -> CollectionPace {
    let pace = CollectionPace::of(&config.gc, &config.trash);
    if now { pace.at_once() } else { pace }
}

async fn with_registry<T>(
    config: &Config,
    data: &DataDirectory,
    work: impl AsyncFnOnce(&Registry) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let clock = Clock::system();
    with_metadata_and_clock(config, data, &clock, async |metadata| {
        let blobs = open_blobs(config, &clock)?;
        let registry = Registry::new(metadata, blobs, registry_settings(config), clock.clone());
        registry.follow_move().await?;
        work(&registry).await
    })
    .await
}

/// The right to remove contents, or the id of the process that has it. In a bucket, everyone may.
fn removal_lock(config: &Config, data: &DataDirectory) -> anyhow::Result<Result<Option<DataLock>, String>> {
    match config.blobs.store {
        BlobStoreKind::S3 => Ok(Ok(None)),
        BlobStoreKind::Disk => Ok(data.try_lock()?.map(Some)),
    }
}

fn so_far(before: &Collected, run: &Collected) -> String {
    format!(
        "{} manifests, {} blobs, {} bytes freed",
        before.manifests + run.manifests,
        before.blobs + run.blobs,
        before.freed_bytes + run.freed_bytes
    )
}

/// Until no content is left to be removed; how many bytes were freed since the beginning.
async fn wait_for_server(registry: &Registry, server: &str, say: &impl Fn(String)) -> anyhow::Result<u64> {
    let clock = Clock::system();
    let (mut last, mut since) = (u64::MAX, clock.instant());
    loop {
        let status = registry.collection_status().await?;
        let (contents, bytes) = status.doomed;
        if contents == 0 {
            return Ok(status.freed_bytes);
        }
        if contents < last {
            (last, since) = (contents, clock.instant());
        }
        say(format!("the server removes {contents} contents, {bytes} bytes"));
        if clock.instant().saturating_duration_since(since) > PATIENCE {
            bail!(
                "the server (process {server}) has not removed {contents} contents ({bytes} bytes) that nothing refers to any more: its \
                 log says why (collect-garbage)"
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}
