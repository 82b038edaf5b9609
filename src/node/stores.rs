//! The stores of a node. This is the one place that names their backends; everything else works with the traits.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::bucket::bucket_options;
use super::data_directory::DataDirectory;
use crate::config::{BlobStoreKind, Config, DatabasePassword, DatabaseUrl, S3Settings};
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::archive::{Archive, open_directory};
use crate::storage::blobs::{BlobStore, disk, s3};
use crate::storage::coordination::MovePhase;
use crate::storage::metadata::postgres::PostgresOptions;
use crate::storage::metadata::transfer::Tables;
use crate::storage::metadata::{Inspection, Metadata, SchemaStatus, postgres, sqlite};

/// All that a registry keeps.
pub(crate) struct Stores {
    pub(crate) metadata: Arc<dyn Metadata>,
    pub(crate) blobs: Arc<dyn BlobStore>,
}

/// Opens both stores, creating what is missing.
pub(crate) async fn open_stores(config: &Config, clock: &Clock) -> Result<Stores, StorageError> {
    let metadata = open_metadata(config, clock).await?;
    Ok(Stores { metadata, blobs: open_blobs(config, clock)? })
}

/// Opens the blob store alone.
pub(super) fn open_blobs(config: &Config, clock: &Clock) -> Result<Arc<dyn BlobStore>, StorageError> {
    match config.blobs.store {
        BlobStoreKind::Disk => disk::open(&config.data_dir, config.storage.min_free_space.bytes(), clock.clone()),
        BlobStoreKind::S3 => s3::open(&bucket_options(&config.blobs_s3)?, clock.clone()),
    }
}

/// Files next to the blobs, in the same bucket or on the same disk.
pub(super) fn open_next_to_blobs(config: &Config) -> Result<Arc<dyn Archive>, StorageError> {
    match config.blobs.store {
        BlobStoreKind::Disk => open_directory(&config.data_dir.join("blobs"), true),
        BlobStoreKind::S3 => s3::open_archive(&bucket_options(&config.blobs_s3)?, Clock::system()),
    }
}

/// Opens the metadata store alone, for commands that need no blob. Refused while it is being filled by a move.
pub(crate) async fn open_metadata(config: &Config, clock: &Clock) -> Result<Arc<dyn Metadata>, StorageError> {
    let metadata = open_any(config, clock).await?;
    match metadata.move_phase().await? {
        arriving @ MovePhase::Arriving(_) => arriving.require_settled().map(|()| metadata),
        _ => Ok(metadata),
    }
}

async fn open_any(config: &Config, clock: &Clock) -> Result<Arc<dyn Metadata>, StorageError> {
    match &config.database.url {
        Some(url) => postgres::open(postgres_options(config, url)?, clock.clone()).await,
        None => sqlite::open(&DataDirectory::at(&config.data_dir).database(), clock.clone()).await,
    }
}

fn postgres_options(config: &Config, url: &DatabaseUrl) -> Result<PostgresOptions, StorageError> {
    let database = &config.database;
    let from_file =
        database.password_file.as_deref().map(|path| read_secret("database.password_file", path)).transpose()?;
    let password = from_file.as_ref().map(|password| password.as_str());
    let password = password.or_else(|| database.password.as_ref().map(DatabasePassword::expose));
    PostgresOptions::new(url.expose(), password, database.pooler)
}

/// The first line of the file that a setting names.
pub(super) fn read_secret(setting: &str, path: &Path) -> Result<Zeroizing<String>, StorageError> {
    let context = || format!("reading {setting}, {}", path.display());
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| StorageError::io(context(), error))?);
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().trim_end().to_owned()))
}

/// Examines the metadata store without creating or migrating it. `idle` says that no process has it open.
pub(crate) async fn inspect_metadata(config: &Config, idle: bool) -> Result<Inspection, StorageError> {
    match &config.database.url {
        Some(url) => postgres::inspect(postgres_options(config, url)?).await,
        None => sqlite::inspect(&DataDirectory::at(&config.data_dir).database(), idle).await,
    }
}

/// Whether no registry was ever made in the database that nodes share, if they do; it is neither created nor migrated.
pub(crate) async fn is_shared_and_new(config: &Config) -> Result<Option<bool>, StorageError> {
    let Some(url) = &config.database.url else { return Ok(None) };
    postgres::is_new(&postgres_options(config, url)?).await.map(Some)
}

/// The schema of the metadata store, without creating or migrating it. `idle` says that no process has it open.
pub(super) async fn inspect_schema(config: &Config, idle: bool) -> Result<SchemaStatus, StorageError> {
    match &config.database.url {
        Some(url) => postgres::schema(&postgres_options(config, url)?).await,
        None => sqlite::schema(&DataDirectory::at(&config.data_dir).database(), idle).await,
    }
}

/// Brings the schema of the metadata store up to date.
pub(super) async fn migrate_metadata(config: &Config, clock: &Clock) -> Result<Vec<String>, StorageError> {
    match &config.database.url {
        Some(url) => postgres::migrate(&postgres_options(config, url)?, clock).await,
        None => sqlite::migrate(&DataDirectory::at(&config.data_dir).database(), clock).await,
    }
}

/// Removes from the schema what only older versions need.
pub(super) async fn finalize_metadata(config: &Config, clock: &Clock) -> Result<Vec<String>, StorageError> {
    match &config.database.url {
        Some(url) => postgres::finalize(&postgres_options(config, url)?, clock).await,
        None => sqlite::finalize(&DataDirectory::at(&config.data_dir).database(), clock).await,
    }
}

/// The database of a configuration, as an operator knows it.
pub(super) fn database_place(config: &Config) -> String {
    match &config.database.url {
        Some(url) => url.to_string(),
        None => real(&config.data_dir).join("portcullis.db").display().to_string(),
    }
}

/// The blob store of a configuration, as an operator knows it.
pub(super) fn blob_place(config: &Config) -> String {
    let S3Settings { endpoint, bucket, prefix, region, .. } = &config.blobs_s3;
    match config.blobs.store {
        BlobStoreKind::Disk => real(&config.data_dir).join("blobs").display().to_string(),
        BlobStoreKind::S3 => format!(
            "s3://{}/{} at {}",
            bucket.as_deref().unwrap_or_default(),
            prefix.as_deref().unwrap_or_default(),
            endpoint.as_ref().map_or_else(|| region.clone(), ToString::to_string)
        ),
    }
}

/// One directory has one name.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Opens both stores, also those that are being filled.
pub(super) async fn open_for_move(config: &Config, clock: &Clock) -> Result<Stores, StorageError> {
    Ok(Stores { metadata: open_any(config, clock).await?, blobs: open_blobs(config, clock)? })
}

/// The tables of the metadata store.
pub(super) async fn open_tables(config: &Config) -> Result<Box<dyn Tables>, StorageError> {
    match &config.database.url {
        Some(url) => postgres::tables(&postgres_options(config, url)?).await,
        None => sqlite::tables(&DataDirectory::at(&config.data_dir).database()).await,
    }
}
