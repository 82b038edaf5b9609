//! Copies of the database next to the blobs, sealed with the registry's key: what a lost database is made of again without a backup.
//! A layer says nothing about the images that have it, so blobs alone would bring back neither manifests nor names.
//!
//! A copy is a line of sealed chunks, each with its length before it; the last has the digest of all.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::snapshot::Snapshot;
use super::target::require_new;
use crate::auth::DataKey;
use crate::config::Config;
use crate::domain::Clock;
use crate::jobs::copy_metadata::KeepCopy;
use crate::node::data_directory::DataDirectory;
use crate::node::progress::Progress;
use crate::node::{secrets, stores};
use crate::storage::StorageError;
use crate::storage::archive::Archive;
use crate::storage::blobs::ByteStream;
use crate::storage::coordination::MovePhase;
use crate::storage::metadata::sqlite;
use crate::storage::metadata::transfer::{self, backup};

const FOLDER: &str = "metadata";
/// How many copies are kept: the newest may be of a damaged database.
const KEPT: usize = 3;
const CHUNK: usize = 1 << 20;
/// What sealing adds to a chunk.
const SEAL: usize = 64;
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// What the last chunk begins with.
const END: &[u8] = b"\0end\0";

/// Makes the copies of one registry.
pub(crate) struct OwnCopies {
    config: Config,
    data: DataDirectory,
    data_key: DataKey,
    clock: Clock,
}

impl OwnCopies {
    /// `None` where they are switched off.
    pub(crate) fn of(config: &Config, data: &DataDirectory, data_key: &DataKey, clock: &Clock) -> Option<Arc<Self>> {
        let (config, data, data_key, clock) = (config.clone(), data.clone(), data_key.clone(), clock.clone());
        (!config.storage.metadata_copy.is_zero()).then(|| Arc::new(Self { config, data, data_key, clock }))
    }

    /// For the job that keeps them.
    pub(crate) fn keeper(self: Arc<Self>) -> KeepCopy {
        Box::new(move || {
            let copies = Arc::clone(&self);
            Box::pin(async move { copies.keep().await.map_err(|error| format!("{error:#}")) })
        })
    }

    /// Makes a copy if the newest is older than the configuration says, and removes the oldest. Tells whether it made one.
    async fn keep(&self) -> anyhow::Result<bool> {
        let archive = stores::open_next_to_blobs(&self.config)?;
        let mut names = names(&*archive).await?;
        let (every, now) = (self.config.storage.metadata_copy, self.clock.now());
        let is_old = |at: Timestamp| at.saturating_add(every).is_ok_and(|due| due <= now);
        if names.last().and_then(|name| made_at(name)).is_some_and(|at| !is_old(at)) {
            return Ok(false);
        }
        let quiet: Arc<dyn Progress> = Arc::new(Quiet);
        let snapshot = Snapshot::take(&self.config, &self.data, &quiet).await?;
        let name = format!("{}.sealed", now.strftime(TIME));
        archive.put(&format!("{FOLDER}/{name}"), sealed(snapshot.body().await?, self.data_key.clone())).await?;
        archive.settle().await?;
        names.push(name);
        for old in &names[..names.len().saturating_sub(KEPT)] {
            archive.remove(&format!("{FOLDER}/{old}")).await?;
        }
        Ok(true)
    }
}

/// No one watches.
struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn rows(&self, _: &str, _: u64) {}
}

/// Oldest first.
async fn names(archive: &dyn Archive) -> Result<Vec<String>, StorageError> {
    let files = archive.files(FOLDER).await?;
    let mut names: Vec<String> =
        files.into_iter().map(|file| file.name).filter(|name| made_at(name).is_some()).collect();
    names.sort();
    Ok(names)
}

fn made_at(name: &str) -> Option<Timestamp> {
    let time = jiff::civil::DateTime::strptime(TIME, name.strip_suffix(".sealed")?).ok()?;
    jiff::tz::Offset::UTC.to_timestamp(time).ok()
}

fn sealed(body: ByteStream, key: DataKey) -> ByteStream {
    let chunks = stream::try_unfold((Some(body), Sha256::new(), key), |(body, mut hasher, key)| async move {
        let Some(mut body) = body else { return Ok(None) };
        let seal = |plain: &[u8]| -> Result<Bytes, StorageError> {
            let sealed = key.encrypt_files(plain).map_err(|error| failed(&error))?;
            let length = u32::try_from(sealed.len()).map_err(|error| failed(&error))?;
            Ok([length.to_be_bytes().as_slice(), &sealed].concat().into())
        };
        let next = body.try_next().await?;
        let Some(chunk) = next else {
            let end = seal(&[END, hasher.clone().finalize().as_slice()].concat())?;
            return Ok(Some((end, (None, hasher, key))));
        };
        hasher.update(&chunk);
        let chunk = seal(&chunk)?;
        Ok(Some((chunk, (Some(body), hasher, key))))
    });
    Box::pin(chunks)
}

fn failed(error: &impl ToString) -> StorageError {
    StorageError::Damaged(format!("a copy of the database: {}", error.to_string()))
}

/// What a lost database was made of again.
pub(crate) struct Rebuilt {
    /// When the copy was made.
    pub(crate) copied_at: Timestamp,
    pub(crate) rows: u64,
}

/// Makes the database of `config` again, which is lost, from the newest copy next to the blobs.
pub(crate) async fn rebuild(
    config: &Config,
    data: &DataDirectory,
    progress: &Arc<dyn Progress>,
) -> anyhow::Result<Rebuilt> {
    data.create()?;
    let _lock = data.lock()?;
    let archive = stores::open_next_to_blobs(config)?;
    let Some(name) = names(&*archive).await?.pop() else {
        bail!(
            "no copy of the database was found next to the blobs, and blobs alone say nothing about tags, manifests, users and grants: \
             restore a backup (portcullis restore), or push the images again; nothing changed"
        );
    };
    let key = match &config.secrets.key_file {
        Some(path) => secrets::read_key_file(path)?,
        None => data.kept_data_key()?.with_context(|| {
            format!(
                "the copy of the database next to the blobs is sealed with the registry's key, which is missing: put it into {} \
                 (mode 0600), or set secrets.key_file",
                data.data_key_file().display()
            )
        })?,
    };
    progress.begin("reading the copy of the database", None);
    let snapshot = Snapshot::place(data)?;
    open(archive.get(&format!("{FOLDER}/{name}")).await?, &key, &snapshot).await?;
    sqlite::open(&snapshot.path(), Clock::system()).await?.close().await?;
    let stores = stores::open_for_move(config, &Clock::system()).await?;
    let made = fill(config, (&stores, &snapshot), &name, progress).await;
    let closed = stores.metadata.close().await;
    let rows = made?;
    closed?;
    Ok(Rebuilt { copied_at: made_at(&name).unwrap_or_default(), rows })
}

async fn fill(
    config: &Config,
    (target, snapshot): (&stores::Stores, &Snapshot),
    name: &str,
    progress: &Arc<dyn Progress>,
) -> anyhow::Result<u64> {
    require_new(&*target.metadata, name, &stores::database_place(config)).await?;
    progress.begin("making the database", None);
    let (mut from, mut to) = (snapshot.tables().await?, stores::open_tables(config).await?);
    let told = |table: &'static str, rows| progress.rows(table, rows);
    let compared = transfer::copy(&mut *from, &mut *to, false, &told).await?;
    let instance = Uuid::new_v4();
    backup::become_another(&mut *to, &instance.to_string(), true).await?;
    from.close().await?;
    to.close().await?;
    target.blobs.mark(instance).await?;
    target.metadata.set_move_phase(MovePhase::Settled).await?;
    Ok(compared.iter().map(|table| table.rows).sum())
}

/// Writes the database that is sealed in `body`.
async fn open(mut body: ByteStream, key: &DataKey, snapshot: &Snapshot) -> anyhow::Result<()> {
    let path = snapshot.path();
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&path).await?;
    let (mut held, mut hasher, mut is_whole) = (Vec::new(), Sha256::new(), false);
    while let Some(bytes) = body.try_next().await? {
        held.extend_from_slice(&bytes);
        while let Some((chunk, rest)) = next_chunk(&held)? {
            let plain =
                key.decrypt_files(chunk).context("the registry's key does not open the copy of the database")?;
            match plain.strip_prefix(END) {
                Some(digest) if !is_whole && digest == hasher.clone().finalize().as_slice() => is_whole = true,
                Some(_) => bail!("the copy of the database next to the blobs is damaged"),
                None => {
                    hasher.update(&plain);
                    file.write_all(&plain).await?;
                }
            }
            held = rest;
        }
    }
    file.flush().await?;
    if !is_whole || !held.is_empty() {
        bail!("the copy of the database next to the blobs is cut off");
    }
    Ok(())
}

/// The first chunk, and what is behind it.
fn next_chunk(held: &[u8]) -> anyhow::Result<Option<(&[u8], Vec<u8>)>> {
    let Some((length, rest)) = held.split_first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length))?;
    if length > CHUNK + SEAL {
        bail!("the copy of the database next to the blobs is damaged");
    }
    Ok(rest.split_at_checked(length).map(|(chunk, rest)| (chunk, rest.to_vec())))
}
