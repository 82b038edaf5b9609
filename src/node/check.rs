//! The operator's check of what is stored, with the server running or stopped.

use std::sync::Arc;
use std::time::Duration;

use super::data_directory::DataDirectory;
use super::operator::with_metadata_and_clock;
use super::progress::Progress;
use super::settings::registry_settings;
use super::stores;
use crate::config::Config;
use crate::domain::Clock;
use crate::registry::{CheckMode, CheckReport, CollectionStop, FaultKind, Registry, ScrubPace};
use crate::storage::metadata::Metadata;
use crate::storage::metadata::transfer::{self, GraphDigest};

/// What was read within this time is not read again: a check that was interrupted continues.
const READ_RECENTLY: Duration = Duration::from_hours(24);
/// How long the server may take to look at what it was asked to.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(250);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckOptions {
    pub(crate) repair: bool,
    pub(crate) scrub: bool,
}

/// What was found.
pub(crate) struct Checked {
    pub(crate) report: CheckReport,
    pub(crate) graph: GraphDigest,
    /// Whether the server has not looked yet at what it was asked to.
    pub(crate) is_waiting: bool,
}

/// Checks the registry of `config`.
pub(crate) async fn check(
    config: &Config,
    data: &DataDirectory,
    options: CheckOptions,
    progress: &Arc<dyn Progress>,
) -> anyhow::Result<Checked> {
    let clock = Clock::system();
    with_metadata_and_clock(config, data, &clock, async |metadata| {
        let blobs = stores::open_blobs(config, &clock)?;
        // On a disk, the process that serves it publishes under the same keys.
        let lock = data.try_lock()?.ok();
        let mode = CheckMode { repair: options.repair, owns_contents: lock.is_some() || blobs.is_shared() };
        let registry = Registry::new(Arc::clone(&metadata), blobs, registry_settings(config), clock.clone());
        let mut report = CheckReport::default();
        progress.begin("comparing blobs with their contents", None);
        registry.check_contents(mode, &mut report).await?;
        if options.scrub {
            scrub(config, &registry, mode, (&mut report, progress)).await?;
        }
        progress.begin("reading tags and manifests", None);
        let mut tables = stores::open_tables(config).await?;
        let graph = transfer::graph_digest(&mut *tables).await?;
        tables.close().await?;
        if report.is_consistent() && registry.collection_stop().await? == Some(CollectionStop::OtherBlobs) {
            registry.bind_blobs().await?;
        }
        let is_waiting = report.left_to_server > 0 && !is_answered(&*metadata, &clock).await?;
        drop(lock);
        Ok(Checked { report, graph, is_waiting })
    })
    .await
}

async fn scrub(
    config: &Config,
    registry: &Registry,
    mode: CheckMode,
    (report, progress): (&mut CheckReport, &Arc<dyn Progress>),
) -> anyhow::Result<()> {
    progress.begin("reading contents", Some(report.bytes));
    // A content that was found to be damaged is put aside in any case: served, it would only be refused by each client.
    let mode = CheckMode { repair: true, ..mode };
    let advance = |bytes| progress.advance(bytes);
    let pace = ScrubPace { unread_for: READ_RECENTLY, pushed_ago: Duration::ZERO, throttle: None, report: &advance };
    registry.scrub(&pace, mode, report).await?;
    progress.begin("reading manifests", None);
    let mut tables = stores::open_tables(config).await?;
    let damaged = |name: String| report.add(FaultKind::Manifest, &name, "push it again".to_owned());
    transfer::verify_manifests(&mut *tables, damaged).await?;
    Ok(tables.close().await?)
}

/// Whether the server has read all that it was asked to.
async fn is_answered(metadata: &dyn Metadata, clock: &Clock) -> anyhow::Result<bool> {
    let since = clock.instant();
    loop {
        if metadata.suspected(1).await?.is_empty() {
            return Ok(true);
        }
        if clock.instant().saturating_duration_since(since) > PATIENCE {
            return Ok(false);
        }
        tokio::time::sleep(POLL).await;
    }
}
