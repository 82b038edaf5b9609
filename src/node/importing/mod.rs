//! The storage of another registry becomes part of this one: its contents are taken over as they are where that is possible, its repositories
//! entered into the database as pushes would. The source is only read.
//!
//! First everything is read and checked ([`survey`]), so that what cannot be kept is known at the beginning. Then repositories come in groups: the
//! contents of a group, one sync for all of them, and its rows. So a run that is interrupted leaves whole repositories, and the next one
//! continues behind them. What was pushed here after it was pushed there stays.

mod contents;
mod distribution;
mod inventory;
mod oci_layouts;
mod rows;
mod survey;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt, stream};

use self::contents::Taken;
pub(crate) use self::inventory::Loss;
use self::inventory::{Inventory, Losses, SourceRepository};
use super::bucket::bucket_options;
use super::data_directory::DataDirectory;
use super::operator::with_metadata_and_clock;
use super::progress::Progress;
use super::settings::registry_settings;
use super::stores;
use crate::auth::AdminPermit;
use crate::config::Config;
use crate::domain::Clock;
use crate::registry::Registry;
use crate::server::{SignalEvent, Signals};
use crate::storage::blobs::{BlobStore, Originals, disk, s3};
use crate::storage::metadata::Metadata;

/// A group of repositories has at least so many contents, or bytes, or repositories.
const CONTENTS: usize = 2000;
const BYTES: u64 = 1 << 30;
const REPOSITORIES: usize = 500;
/// Repositories that are entered at the same time.
const AT_ONCE: usize = 8;

/// Whose storage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceKind {
    /// Distribution's, or that of another registry which stores things as it does.
    Distribution,
    Zot,
}

/// How contents come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// As they are: no byte is moved.
    Adopt,
    Copy,
}

/// What is to be done.
pub(crate) struct ImportOrder<'o> {
    pub(crate) kind: SourceKind,
    pub(crate) path: &'o Path,
    pub(crate) method: Method,
    /// Nothing but a look.
    pub(crate) report_only: bool,
}

/// What a source has, and what has become of it.
#[derive(Default)]
pub(crate) struct ImportReport {
    pub(crate) source: String,
    pub(crate) repositories: u64,
    pub(crate) manifests: u64,
    pub(crate) tags: u64,
    /// Contents, and their bytes: each once.
    pub(crate) contents: u64,
    pub(crate) bytes: u64,
    /// Why contents can only be copied, where they can.
    pub(crate) only_by_copy: Option<String>,
    /// What a run has taken over or copied; the rest was here before.
    pub(crate) new_contents: u64,
    pub(crate) new_bytes: u64,
    /// Tags that were moved here after they were moved in the source, and stayed.
    pub(crate) newer_tags: u64,
    pub(crate) lost: u64,
    /// The first of these.
    pub(crate) losses: Vec<Loss>,
}

/// An import under way.
struct Importing<'i> {
    registry: &'i Registry,
    permit: &'i AdminPermit,
    metadata: Arc<dyn Metadata>,
    blobs: Arc<dyn BlobStore>,
    originals: Arc<dyn Originals>,
    inventory: &'i Inventory,
    method: Method,
    longest: u64,
    progress: &'i Arc<dyn Progress>,
}

/// Imports, or only looks.
pub(crate) async fn import(
    config: &Config,
    data: &DataDirectory,
    order: &ImportOrder<'_>,
    progress: Arc<dyn Progress>,
) -> anyhow::Result<ImportReport> {
    let (permit, clock) = (permit(data)?, Clock::system());
    let mut signals = Signals::catch().context("cannot listen to signals")?;
    with_metadata_and_clock(config, data, &clock, async |metadata| {
        let blobs = stores::open_blobs(config, &clock)?;
        let settings = registry_settings(config);
        let longest = settings.limits.manifest_size.bytes();
        let registry = Registry::new(Arc::clone(&metadata), Arc::clone(&blobs), settings, clock.clone());
        registry.require_importable(&permit)?;
        let work = async {
            progress.begin("reading the source", None);
            let originals = open(config, order, &clock).await?;
            let inventory = read(order.kind, &*originals, longest).await?;
            let mut report = describe(&*originals, &inventory);
            report.only_by_copy = only_by_copy(&*blobs, &*originals, &inventory).await?;
            if order.report_only {
                return Ok(report);
            }
            order.require_possible(&report)?;
            let (registry, permit, inventory, progress, method) =
                (&registry, &permit, &inventory, &progress, order.method);
            let importing =
                Importing { registry, permit, metadata, blobs, originals, inventory, method, longest, progress };
            importing.run(report).await
        };
        tokio::select! {
            done = work => done,
            () = asked_to_end(&mut signals) => bail!("interrupted; run the same command again to continue"),
        }
    })
    .await
}

async fn read(kind: SourceKind, originals: &dyn Originals, longest: u64) -> anyhow::Result<Inventory> {
    match kind {
        SourceKind::Distribution => distribution::read(originals, longest).await,
        SourceKind::Zot => oci_layouts::read(originals, longest).await,
    }
}

impl ImportOrder<'_> {
    fn require_possible(&self, report: &ImportReport) -> anyhow::Result<()> {
        match (self.method, &report.only_by_copy) {
            (Method::Adopt, Some(why)) => {
                bail!("{why}: run the same command with --copy, which copies the contents")
            }
            _ => Ok(()),
        }
    }
}

/// Gives up the registry that contents were taken over from; returns how many these are.
pub(crate) async fn finish(config: &Config, data: &DataDirectory) -> anyhow::Result<u64> {
    let (permit, clock) = (permit(data)?, Clock::system());
    with_metadata_and_clock(config, data, &clock, async |metadata| {
        let blobs = stores::open_blobs(config, &clock)?;
        let registry = Registry::new(metadata, blobs, registry_settings(config), clock.clone());
        Ok(registry.finish_imports(&permit).await?)
    })
    .await
}

fn permit(data: &DataDirectory) -> anyhow::Result<AdminPermit> {
    AdminPermit::local_operator(data.open()?)
        .with_context(|| format!("cannot write in {}: run this as its owner or as root", data.path().display()))
}

/// SIGTERM or SIGINT.
async fn asked_to_end(signals: &mut Signals) {
    while !matches!(signals.next().await, SignalEvent::End) {}
}

/// The files of the source: in a directory, or in a bucket of the object store that `[blobs.s3]` is about.
async fn open(config: &Config, order: &ImportOrder<'_>, clock: &Clock) -> anyhow::Result<Arc<dyn Originals>> {
    let path = order.path;
    if let Some(place) = path.to_str().and_then(|path| path.strip_prefix("s3://")) {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let mut options = bucket_options(&config.blobs_s3)?;
        (options.bucket, options.prefix) = (bucket.to_owned(), prefix.trim_matches('/').to_owned());
        return Ok(s3::originals(&options, clock).await?);
    }
    std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(disk::originals(path))
}

fn describe(originals: &dyn Originals, inventory: &Inventory) -> ImportReport {
    let sum = |count: fn(&SourceRepository) -> usize| inventory.repositories.iter().map(count).sum::<usize>() as u64;
    ImportReport {
        source: originals.place(),
        repositories: inventory.repositories.len() as u64,
        manifests: sum(|repository| repository.manifests.len()),
        tags: sum(|repository| repository.tags.len()),
        contents: inventory.contents.len() as u64,
        bytes: inventory.bytes(),
        lost: inventory.losses.count,
        losses: inventory.losses.named.clone(),
        ..ImportReport::default()
    }
}

/// Tries with one content.
async fn only_by_copy(
    blobs: &dyn BlobStore,
    originals: &dyn Originals,
    inventory: &Inventory,
) -> anyhow::Result<Option<String>> {
    match inventory.contents.values().next() {
        Some(content) => Ok(blobs.cannot_adopt(&originals.original(&content.file)).await?),
        None => Ok(None),
    }
}

impl Importing<'_> {
    async fn run(&self, mut report: ImportReport) -> anyhow::Result<ImportReport> {
        (report.manifests, report.tags) = (0, 0);
        let mut losses = self.inventory.losses.clone();
        let mut taken = Taken::default();
        self.progress.begin(if self.method == Method::Adopt { "taking over" } else { "copying" }, Some(report.bytes));
        for group in self.groups() {
            self.take_for(group, &mut taken).await?;
            let rows = group.iter().map(|repository| self.enter(repository, &taken));
            let mut rows = stream::iter(rows).buffer_unordered(AT_ONCE);
            while let Some(entered) = rows.next().await {
                let entered = entered?;
                report.manifests += entered.manifests;
                report.tags += entered.tags;
                report.newer_tags += entered.newer;
                losses.join(entered.losses);
            }
        }
        (report.new_contents, report.new_bytes) = taken.new;
        (report.lost, report.losses) = (losses.count, losses.named);
        Ok(report)
    }

    /// Repositories in their order, as many in a group as are worth one sync.
    fn groups(&self) -> Vec<&[SourceRepository]> {
        let mut groups = Vec::new();
        let (mut start, mut contents, mut bytes) = (0, 0, 0);
        for (index, repository) in self.inventory.repositories.iter().enumerate() {
            contents += repository.contents.len();
            let sizes = repository.contents.iter().filter_map(|digest| self.inventory.contents.get(digest));
            bytes += sizes.map(|content| content.size).sum::<u64>();
            if contents >= CONTENTS || bytes >= BYTES || index + 1 - start >= REPOSITORIES {
                groups.push(&self.inventory.repositories[start..=index]);
                (start, contents, bytes) = (index + 1, 0, 0);
            }
        }
        groups.push(&self.inventory.repositories[start..]);
        groups
    }

    /// The contents of a group that no group before it had.
    async fn take_for(&self, group: &[SourceRepository], taken: &mut Taken) -> anyhow::Result<()> {
        let digests: std::collections::BTreeSet<_> = group.iter().flat_map(|repository| &repository.contents).collect();
        let wanted = digests.into_iter().filter(|digest| !taken.blobs.contains_key(digest));
        let wanted = wanted.filter(|digest| !taken.damaged.contains_key(digest));
        let wanted = wanted.filter_map(|digest| Some((digest, self.inventory.contents.get(digest)?)));
        self.take(wanted.collect(), taken).await
    }
}

impl Losses {
    fn join(&mut self, others: Self) {
        let named = others.named.len() as u64;
        for loss in others.named {
            self.add(loss.what, loss.why);
        }
        self.count += others.count - named;
    }
}
