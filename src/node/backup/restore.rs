//! A registry from a backup: into an empty database of either engine, and either blob store. Everything is verified on its way; the result is
//! another registry than the one that was backed up, with the same content.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::keys::{self, Keys};
use super::manifest::{BackupManifest, parts, read_whole};
use super::snapshot::Snapshot;
use super::target::Target;
use super::{bind, copying, destination};
use crate::config::Config;
use crate::domain::{Clock, UploadId};
use crate::node::first_start::constraints;
use crate::node::host_names::names_to_serve;
use crate::node::moving::asked_to_end;
use crate::node::progress::Progress;
use crate::node::stores;
use crate::pki::{Authority, ensure_leaf};
use crate::server::Signals;
use crate::storage::StorageError;
use crate::storage::archive::Archive;
use crate::storage::blobs::{Staged, store_content};
use crate::storage::coordination::MovePhase;
use crate::storage::metadata::transfer::{self, backup};
use crate::storage::metadata::{StoredBlob, sqlite};

/// Contents that are copied at the same time.
const AT_ONCE: usize = 8;
/// Blobs that are looked for in the target at a time.
const PAGE: usize = 500;
/// Of the file with the keys.
const LONGEST_KEYS: usize = 16 << 20;

/// What is to be restored.
pub(crate) struct RestoreOptions {
    pub(crate) source: String,
    /// `None`: the newest.
    pub(crate) id: Option<String>,
    pub(crate) passphrase: Option<Zeroizing<String>>,
    /// Whether it may be restored without its keys.
    pub(crate) without_keys: bool,
}

/// What was restored.
pub(crate) struct Restored {
    pub(crate) manifest: BackupManifest,
    pub(crate) place: String,
    pub(crate) instance: Uuid,
    pub(crate) rows: u64,
    pub(crate) has_keys: bool,
}

/// Restores a backup into the storage that `config` names.
pub(crate) async fn restore(
    config: &Config,
    options: RestoreOptions,
    progress: Arc<dyn Progress>,
) -> anyhow::Result<Restored> {
    let archive = destination::open(config, &options.source, false)?;
    let manifest = find(&*archive, &options).await?;
    let known = sqlite::newest_schema();
    if manifest.schema > known {
        bail!(
            "the backup {} was made by version {}, whose database has the schema {}; this version ({}) knows {known}: restore it with that version",
            manifest.id,
            manifest.version,
            manifest.schema,
            env!("CARGO_PKG_VERSION")
        );
    }
    let keys = open_keys(&*archive, &manifest, &options).await?;
    keys.as_ref().map_or(Ok(()), |keys| keys.require_place(config))?;
    let target = Target::claim(config, &manifest.id).await?;
    let restore = Restore { config, archive: &*archive, manifest: &manifest, target: &target, progress: &progress };
    let mut signals = Signals::catch().context("cannot listen to signals")?;
    let done = tokio::select! {
        done = restore.run(keys.as_ref()) => done,
        () = asked_to_end(&mut signals) => Err(anyhow::anyhow!("interrupted; run the same command again to continue")),
    };
    let closed = target.metadata.close().await;
    let (instance, rows) = done?;
    closed?;
    Ok(Restored { place: target.place, instance, rows, has_keys: keys.is_some(), manifest })
}

async fn find(archive: &dyn Archive, options: &RestoreOptions) -> anyhow::Result<BackupManifest> {
    let source = &options.source;
    if let Some(id) = &options.id {
        let found = BackupManifest::read(archive, id).await?;
        return found
            .with_context(|| format!("{source} has no complete backup {id}: see `portcullis backup list {source}`"));
    }
    for id in archive.folders(super::manifest::BACKUPS).await?.iter().rev() {
        if let Some(manifest) = BackupManifest::read(archive, id).await? {
            return Ok(manifest);
        }
    }
    bail!("{source} has no complete backup")
}

async fn open_keys(
    archive: &dyn Archive,
    manifest: &BackupManifest,
    options: &RestoreOptions,
) -> anyhow::Result<Option<Keys>> {
    if !manifest.has_keys() || options.without_keys {
        return Ok(None);
    }
    let Some(passphrase) = &options.passphrase else {
        bail!(
            "the backup has the registry's certificates and keys under a passphrase: give it with --passphrase-file, or restore with \
             --without-keys, after which every host must be told to trust the registry again"
        );
    };
    let sealed = read_whole(manifest.open(archive, parts::KEYS).await?, LONGEST_KEYS).await?;
    keys::open(&sealed, passphrase).map(Some)
}

struct Restore<'r> {
    config: &'r Config,
    archive: &'r dyn Archive,
    manifest: &'r BackupManifest,
    target: &'r Target,
    progress: &'r Arc<dyn Progress>,
}

impl Restore<'_> {
    /// The new name of the registry, and how many rows it has.
    async fn run(&self, keys: Option<&Keys>) -> anyhow::Result<(Uuid, u64)> {
        self.progress.begin("reading the database of the backup", None);
        let snapshot = self.fetch_snapshot().await?;
        self.progress.begin("restoring blobs", Some(self.manifest.bytes));
        self.copy_contents(&snapshot).await?;
        self.progress.begin("restoring the database", None);
        let instance = Uuid::new_v4();
        let rows = self.copy_rows(&snapshot, instance, keys.is_some()).await?;
        self.target.blobs.mark(instance).await?;
        match keys {
            Some(keys) => keys.install(self.config, &self.target.data)?,
            None => self.make_authority()?,
        }
        self.target.data.mark_initialised(&Clock::system())?;
        self.target.metadata.set_move_phase(MovePhase::Settled).await?;
        bind(self.config, &self.target.metadata, &self.target.blobs).await?;
        Ok((instance, rows))
    }

    /// A new one, as at a first start.
    fn make_authority(&self) -> anyhow::Result<()> {
        let (data_dir, hosts, clock) = (self.target.data.path(), &self.config.server.hosts, Clock::system());
        let mut authority = if Authority::exists(data_dir) {
            Authority::load(data_dir, &clock)?
        } else {
            let constraints = constraints(self.config, false);
            Authority::create(data_dir, &names_to_serve(hosts, None), constraints, &clock)?
        };
        let names = names_to_serve(hosts, Some(&authority));
        Ok(ensure_leaf(data_dir, &mut authority, &names).map(drop)?)
    }

    /// The database of the backup, with the schema of this version.
    async fn fetch_snapshot(&self) -> anyhow::Result<Snapshot> {
        let snapshot = Snapshot::place(&self.target.data)?;
        let path = snapshot.path();
        let failed = |error| StorageError::io(format!("writing {}", path.display()), error);
        let mut file = tokio::fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o600).open(&path).await.map_err(failed)?;
        let mut body = self.manifest.open(self.archive, parts::METADATA).await?;
        while let Some(chunk) = body.try_next().await? {
            file.write_all(&chunk).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        drop(file);
        let metadata = sqlite::open(&path, Clock::system()).await?;
        for digest in &self.manifest.missing {
            let digest = digest.parse().context("the manifest of the backup is damaged")?;
            if let Some(blob) = metadata.stored_blob(&digest).await? {
                metadata.mark_damaged(&digest, &blob.key).await?;
            }
        }
        metadata.close().await?;
        Ok(snapshot)
    }

    async fn copy_contents(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let mut page = Vec::with_capacity(PAGE);
        snapshot
            .for_each_blob(async |row| {
                page.push(row);
                if page.len() == PAGE { self.copy_page(std::mem::take(&mut page)).await } else { Ok(()) }
            })
            .await?;
        self.copy_page(page).await
    }

    async fn copy_page(&self, page: Vec<StoredBlob>) -> anyhow::Result<()> {
        let digests = page.iter().map(|row| row.blob.digest.clone()).collect();
        let arrived = self.target.metadata.arrived(digests).await?;
        let mut under_way = FuturesUnordered::new();
        for row in page {
            if arrived.iter().any(|(digest, _)| *digest == row.blob.digest) {
                self.progress.advance(row.blob.size);
            } else {
                under_way.push(self.copy_one(row));
            }
            while under_way.len() >= AT_ONCE {
                under_way.try_next().await?;
            }
        }
        while under_way.try_next().await?.is_some() {}
        Ok(())
    }

    async fn copy_one(&self, row: StoredBlob) -> anyhow::Result<()> {
        let (blob, blobs) = (row.blob, &*self.target.blobs);
        let key = if row.damaged {
            // No one reads it. A push puts the content in its place.
            blobs.publish(&Staged::empty(UploadId::generate(), blob.digest.algorithm()), &blob.digest).await?
        } else {
            let body = copying::reported(self.archive.get(&copying::name(&blob.digest)).await?, self.progress);
            let stored = store_content(blobs, &blob.digest, blob.size, body).await;
            stored.with_context(|| format!("the backup cannot be restored: its content of {}", blob.digest))?
        };
        Ok(self.target.metadata.note_arrival(&blob.digest, &key).await?)
    }

    async fn copy_rows(&self, snapshot: &Snapshot, instance: Uuid, keys: bool) -> anyhow::Result<u64> {
        let (mut source, mut target) = (snapshot.tables().await?, stores::open_tables(self.config).await?);
        let rows = |table: &'static str, rows| self.progress.rows(table, rows);
        let compared = transfer::copy(&mut *source, &mut *target, true, &rows).await?;
        let graph = transfer::graph_digest(&mut *target).await?;
        if graph.digest != self.manifest.digest {
            bail!(
                "the restored tags and manifests have the digest {}, but the backup {}",
                graph.digest,
                self.manifest.digest
            );
        }
        backup::become_another(&mut *target, &instance.to_string(), keys).await?;
        source.close().await?;
        target.close().await?;
        Ok(compared.iter().map(|table| table.rows).sum())
    }
}
