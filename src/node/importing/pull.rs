//! What a running registry serves becomes part of this one: repository by repository, tag by tag, children and referrers with what they belong
//! to. What is here already is not fetched.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::inventory::Losses;
use super::remote::{Fetched, Login, Remote};
use super::survey::parse;
use super::{ImportReport, asked_to_end, permit};
use crate::auth::AdminPermit;
use crate::config::Config;
use crate::domain::oci::manifest::Kind;
use crate::domain::{Clock, Descriptor, Digest, Glob, HostPort, Manifest, MediaType, RepositoryName, Tag};
use crate::node::data_directory::DataDirectory;
use crate::node::operator::with_metadata_and_clock;
use crate::node::progress::Progress;
use crate::node::settings::registry_settings;
use crate::node::stores;
use crate::registry::{ImportedManifest, Registry};
use crate::server::Signals;
use crate::storage::StorageError;
use crate::storage::blobs::{BlobStore, ByteStream, store_content};
use crate::storage::metadata::{BlobRecord, ImportedBlob, Metadata};

/// Blobs that are fetched at the same time.
const AT_ONCE: usize = 4;

/// What is to be pulled.
pub(crate) struct PullOrder<'o> {
    pub(crate) host: &'o HostPort,
    pub(crate) on: &'o [Glob],
    pub(crate) login: Option<Login>,
    /// Certificates as PEM that are trusted, instead of the public ones.
    pub(crate) authorities: Option<Vec<u8>>,
    /// Whether tags are moved that point elsewhere here.
    pub(crate) overwrite: bool,
}

struct Pulling<'p> {
    remote: &'p Remote,
    registry: &'p Registry,
    permit: &'p AdminPermit,
    metadata: &'p dyn Metadata,
    blobs: &'p dyn BlobStore,
    progress: &'p Arc<dyn Progress>,
    overwrite: bool,
    report: ImportReport,
    losses: Losses,
    /// Manifests of the repository that have come.
    done: HashSet<Digest>,
}

/// Pulls everything that the order is about.
pub(crate) async fn pull(
    config: &Config,
    data: &DataDirectory,
    clock: &Clock,
    order: PullOrder<'_>,
    progress: Arc<dyn Progress>,
) -> anyhow::Result<ImportReport> {
    let permit = permit(data)?;
    let mut signals = Signals::catch().context("cannot listen to signals")?;
    with_metadata_and_clock(config, data, clock, async |metadata| {
        let blobs = stores::open_blobs(config, clock)?;
        let registry =
            Registry::new(Arc::clone(&metadata), Arc::clone(&blobs), registry_settings(config), clock.clone());
        registry.require_importable(&permit)?;
        let remote = Remote::new(order.host, order.login, order.authorities.as_deref())?;
        let report = ImportReport { source: remote.address().to_owned(), ..ImportReport::default() };
        let mut pulling = Pulling {
            remote: &remote,
            registry: &registry,
            permit: &permit,
            metadata: &*metadata,
            blobs: &*blobs,
            progress: &progress,
            overwrite: order.overwrite,
            report,
            losses: Losses::default(),
            done: HashSet::new(),
        };
        tokio::select! {
            done = pulling.run(order.on) => done?,
            () = asked_to_end(&mut signals) => bail!("interrupted; run the same command again to continue"),
        }
        let Pulling { mut report, losses, .. } = pulling;
        (report.lost, report.losses) = (losses.count, losses.named);
        Ok(report)
    })
    .await
}

impl Pulling<'_> {
    async fn run(&mut self, on: &[Glob]) -> anyhow::Result<()> {
        self.progress.begin("asking for repositories", None);
        for name in self.names(on).await? {
            self.progress.begin(&format!("pulling {name}"), None);
            self.repository(&name).await.with_context(|| format!("pulling {name}"))?;
            self.report.repositories += 1;
        }
        Ok(())
    }

    /// Names without a star need not be in the registry's list, which many registries deny.
    async fn names(&mut self, on: &[Glob]) -> anyhow::Result<Vec<RepositoryName>> {
        let exact: Vec<RepositoryName> = on.iter().filter_map(|on| on.as_str().parse().ok()).collect();
        if !on.is_empty() && exact.len() == on.len() {
            return Ok(exact);
        }
        let mut names = Vec::new();
        for listed in self.remote.repositories().await? {
            match listed.parse::<RepositoryName>() {
                Ok(name) if on.is_empty() || on.iter().any(|on| on.matches(&name)) => names.push(name),
                Ok(_) => {}
                Err(error) => self.losses.add(listed, error.to_string()),
            }
        }
        Ok(names)
    }

    async fn repository(&mut self, name: &RepositoryName) -> anyhow::Result<()> {
        self.done.clear();
        let here = super::rows::tags_here(self.metadata, name).await?;
        for listed in self.remote.tags(name).await? {
            let Ok(tag) = listed.parse::<Tag>() else {
                self.losses.add(format!("{name}:{listed}"), "its name is not valid".to_owned());
                continue;
            };
            let Some(fetched) = self.remote.manifest(name, tag.as_str()).await? else {
                self.losses.add(format!("{name}:{tag}"), "the registry lists it and does not have it".to_owned());
                continue;
            };
            let digest = fetched.digest.clone();
            let tags = match here.get(&tag) {
                Some(here) if here.digest == digest => Vec::new(),
                Some(_) if !self.overwrite => {
                    self.report.newer_tags += 1;
                    continue;
                }
                _ => vec![tag.clone()],
            };
            match self.bring(name, fetched, tags).await? {
                Ok(()) => self.report.tags += 1,
                Err(why) => self.losses.add(format!("{name}:{tag}"), why),
            }
        }
        self.report.manifests += self.done.len() as u64;
        Ok(())
    }

    /// A manifest with all that belongs to it, or why it cannot be kept.
    fn bring<'b>(
        &'b mut self,
        name: &'b RepositoryName,
        fetched: Fetched,
        tags: Vec<Tag>,
    ) -> LocalBoxFuture<'b, anyhow::Result<Result<(), String>>> {
        Box::pin(async move {
            let Fetched { digest, media_type, content } = fetched;
            if !self.done.insert(digest.clone()) && tags.is_empty() {
                return Ok(Ok(()));
            }
            let manifest = match parse(media_type.as_ref(), &content) {
                Ok(manifest) => manifest,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let is_here = self.metadata.manifest(name, &digest).await?.is_some();
            if !is_here || !tags.is_empty() {
                if let Err(why) = self.bring_what_it_lists(name, &manifest).await? {
                    return Ok(Err(why));
                }
                let imported = ImportedManifest { digest: digest.clone(), manifest, content, tags };
                self.registry.import_manifest(self.permit, name, imported).await?;
            }
            for referrer in self.remote.referrers(name, &digest).await? {
                if self.done.contains(&referrer) {
                    continue;
                }
                if let Some(fetched) = self.remote.manifest(name, &referrer.to_string()).await?
                    && let Err(why) = self.bring(name, fetched, Vec::new()).await?
                {
                    self.losses.add(format!("{name}@{referrer}"), why);
                }
            }
            Ok(Ok(()))
        })
    }

    /// Its children, and then its blobs.
    async fn bring_what_it_lists(
        &mut self,
        name: &RepositoryName,
        manifest: &Manifest,
    ) -> anyhow::Result<Result<(), String>> {
        let mut blobs: BTreeMap<Digest, u64> = manifest.blobs().map(sized).collect();
        for child in manifest.children() {
            let media_type = child.media_type.as_str().parse::<MediaType>().ok();
            if media_type.and_then(|media_type| Kind::of(&media_type)).is_none() {
                blobs.extend([sized(child)]);
            } else if let Some(fetched) = self.remote.manifest(name, child.digest.as_str()).await?
                && let Err(why) = self.bring(name, fetched, Vec::new()).await?
            {
                self.losses.add(format!("{name}@{}", child.digest), why);
            }
        }
        let mut here = Vec::new();
        let fetches = blobs.iter().map(|(digest, size)| self.bring_blob(name, digest, *size));
        let mut fetches = stream::iter(fetches).buffer_unordered(AT_ONCE);
        while let Some(fetched) = fetches.next().await {
            match fetched? {
                Ok(blob) => here.push(blob),
                Err(why) => return Ok(Err(why)),
            }
        }
        drop(fetches);
        for blob in here.iter().filter(|blob| !blob.is_known) {
            (self.report.new_contents, self.report.new_bytes) =
                (self.report.new_contents + 1, self.report.new_bytes + blob.blob.size);
        }
        self.report.contents += here.len() as u64;
        self.report.bytes += here.iter().map(|blob| blob.blob.size).sum::<u64>();
        self.registry.import_blobs(self.permit, name, here).await?;
        Ok(Ok(()))
    }

    async fn bring_blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        size: u64,
    ) -> anyhow::Result<Result<ImportedBlob, String>> {
        if let Some(blob) = self.metadata.stored_blob(digest).await?
            && blob.size == size
            && self.blobs.length(&blob.key).await? == Some(size)
        {
            return Ok(Ok(ImportedBlob { blob, is_known: true }));
        }
        let Some(body) = self.remote.blob(name, digest, size).await? else {
            return Ok(Err(format!("it refers to the blob {digest}, which the registry does not have")));
        };
        let progress = Arc::clone(self.progress);
        let body: ByteStream = Box::pin(body.inspect_ok(move |chunk| progress.advance(chunk.len() as u64)));
        match store_content(self.blobs, digest, size, body).await {
            Ok(key) => Ok(Ok(ImportedBlob { blob: BlobRecord { digest: digest.clone(), size, key }, is_known: false })),
            Err(StorageError::Damaged(why)) => Ok(Err(format!("it refers to the blob {digest}: {why}"))),
            Err(error) => Err(error.into()),
        }
    }
}

fn sized(descriptor: &Descriptor) -> (Digest, u64) {
    (descriptor.digest.clone(), descriptor.size)
}
