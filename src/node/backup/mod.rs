//! Backups of a registry while it serves, and registries that are restored from them.
//!
//! A backup is a snapshot of the database, in the file format of `SQLite` whatever engine the registry has, and the contents of all blobs that
//! it names. Several backups in one place share contents, so that each copies only what is new:
//!
//! ```text
//! blobs/sha256/ab/<hex>               a content, by its digest
//! backups/<id>/metadata.sqlite        the snapshot
//! backups/<id>/keys.json              certificates and keys, under a passphrase
//! backups/<id>/manifest.json          the digests of the others; written last: a backup without it is not complete
//! ```
//!
//! First the collector is kept from removing contents, by a row that counts for some minutes and is renewed. Then the snapshot is taken, so that
//! everything is in it that was acknowledged before, and the contents that it names are copied. What is interrupted continues when it is run
//! again: contents that are there by their digest and length are not copied again.

mod copying;
mod destination;
mod keys;
mod list;
mod manifest;
mod own_copies;
mod restore;
mod snapshot;
mod target;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::stream;
use zeroize::Zeroizing;

pub(crate) use self::list::{Listed, list};
pub(crate) use self::manifest::BackupManifest;
pub(crate) use self::own_copies::{OwnCopies, Rebuilt, rebuild};
pub(crate) use self::restore::{RestoreOptions, Restored, restore};

use self::copying::Copied;
use self::manifest::{Part, parts};
use self::snapshot::Snapshot;
use super::data_directory::DataDirectory;
use super::moving::asked_to_end;
use super::operator::with_metadata_and_clock;
use super::progress::Progress;
use super::settings::registry_settings;
use super::stores;
use crate::config::Config;
use crate::domain::Clock;
use crate::registry::Registry;
use crate::server::Signals;
use crate::storage::archive::Archive;
use crate::storage::blobs::{BlobStore, ByteStream};
use crate::storage::metadata::Metadata;

/// How long the collector leaves contents alone after a backup has last said so, and how often it does.
const PIN: Duration = Duration::from_mins(10);
const RENEWAL: Duration = Duration::from_mins(1);
/// When a backup gives up that could not say so: before others stop believing it.
const GIVE_UP: Duration = Duration::from_mins(8);

/// What a backup has done.
pub(crate) struct BackedUp {
    pub(crate) manifest: BackupManifest,
    pub(crate) copied: Copied,
    /// Whether it has read everything back.
    pub(crate) is_verified: bool,
}

/// How a backup is made.
pub(crate) struct BackupOptions {
    pub(crate) destination: String,
    /// Seals keys and certificates, which are left out without one.
    pub(crate) passphrase: Option<Zeroizing<String>>,
    /// Whether every content of the backup is read back, not only what is new of it.
    pub(crate) verify: bool,
}

/// Backs the registry of `config` up.
pub(crate) async fn back_up(
    config: &Config,
    data: &DataDirectory,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> anyhow::Result<BackedUp> {
    let clock = Clock::system();
    let archive = destination::open(config, &options.destination, true)?;
    with_metadata_and_clock(config, data, &clock, async |metadata| {
        let id = format!("{}-{:04x}", clock.now().strftime("%Y%m%dT%H%M%SZ"), rand::random::<u16>());
        let backup = Backup { config, data, metadata, archive, progress, clock: clock.clone(), id };
        let mut signals = Signals::catch().context("cannot listen to signals")?;
        backup.metadata.pin_contents(&backup.id, PIN).await?;
        let made = tokio::select! {
            made = backup.run(&options) => made,
            lost = backup.keep_pinned() => lost,
            () = asked_to_end(&mut signals) => Err(anyhow::anyhow!("interrupted; the next backup to the same place continues")),
        };
        let unpinned = backup.metadata.unpin_contents(&backup.id).await;
        let made = made?;
        unpinned?;
        Ok(made)
    })
    .await
}

struct Backup<'b> {
    config: &'b Config,
    data: &'b DataDirectory,
    metadata: Arc<dyn Metadata>,
    archive: Arc<dyn Archive>,
    progress: Arc<dyn Progress>,
    clock: Clock,
    id: String,
}

impl Backup<'_> {
    /// Fails when the collector cannot be held back any more.
    async fn keep_pinned(&self) -> anyhow::Result<BackedUp> {
        let mut pinned_at = self.clock.instant();
        loop {
            tokio::time::sleep(RENEWAL).await;
            match self.metadata.pin_contents(&self.id, PIN).await {
                Ok(()) => pinned_at = self.clock.instant(),
                // The database may be back before the pin is over.
                Err(error) if self.clock.instant().saturating_duration_since(pinned_at) > GIVE_UP => {
                    return Err(error).context("the garbage collection cannot be held back any longer");
                }
                Err(_) => {}
            }
        }
    }

    async fn run(&self, options: &BackupOptions) -> anyhow::Result<BackedUp> {
        let created_at = self.clock.now();
        self.progress.begin("copying the database", None);
        let snapshot = Snapshot::take(self.config, self.data, &self.progress).await?;
        let summary = snapshot.summary().await?;
        let blobs = stores::open_blobs(self.config, &self.clock)?;
        let from = copying::Source { blobs: &*blobs, metadata: &*self.metadata };
        let copied = copying::copy(&snapshot, from, (&*self.archive, &self.progress), summary.bytes).await?;
        self.progress.begin("storing the database", None);
        let mut manifest = BackupManifest::of(&self.id, created_at, self.config, summary, copied.missing.clone());
        manifest.add(parts::METADATA, self.store(parts::METADATA, snapshot.body().await?).await?);
        if let Some(passphrase) = &options.passphrase {
            let sealed = keys::seal(self.config, self.data, &self.metadata, passphrase).await?;
            manifest.add(parts::KEYS, self.store(parts::KEYS, once(sealed)).await?);
        }
        // Whatever the manifest names is durable before it is.
        self.archive.settle().await?;
        self.progress.begin("verifying the backup", options.verify.then_some(manifest.bytes));
        manifest.verify_parts(&*self.archive).await?;
        if options.verify {
            copying::verify(&snapshot, &*self.archive, &self.progress).await?;
        }
        self.archive.put(&manifest.name_of(parts::MANIFEST), once(manifest.to_json()?)).await?;
        self.archive.settle().await?;
        Ok(BackedUp { manifest, copied, is_verified: options.verify })
    }

    /// Stores a part; gives its digest.
    async fn store(&self, part: &str, body: ByteStream) -> anyhow::Result<Part> {
        let (body, summed) = Part::summed(body);
        self.archive.put(&manifest::name(&self.id, part), body).await?;
        Ok(summed.finish())
    }
}

fn once(bytes: Vec<u8>) -> ByteStream {
    Box::pin(stream::once(std::future::ready(Ok(bytes.into()))))
}

/// The collector may remove contents of these blobs for this database, which was made of what they had.
async fn bind(config: &Config, metadata: &Arc<dyn Metadata>, blobs: &Arc<dyn BlobStore>) -> anyhow::Result<()> {
    let (metadata, blobs) = (Arc::clone(metadata), Arc::clone(blobs));
    let registry = Registry::new(metadata, blobs, registry_settings(config), Clock::system());
    Ok(registry.bind_blobs().await?)
}

/// The directory of the registry, which a backup must not be in.
fn real(path: &std::path::Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
