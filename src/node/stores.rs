//! The stores of a node. This is the one place that names their backends; everything else works with the traits.

use std::sync::Arc;

use super::data_directory::DataDirectory;
use crate::config::Config;
use crate::domain::Clock;
use crate::storage::StorageError;
use crate::storage::blobs::{BlobStore, disk};
use crate::storage::metadata::{Inspection, Metadata, sqlite};

/// All that a registry keeps.
pub(crate) struct Stores {
    pub(crate) metadata: Arc<dyn Metadata>,
    pub(crate) blobs: Arc<dyn BlobStore>,
}

/// Opens both stores, creating what is missing.
pub(crate) async fn open_stores(config: &Config, clock: &Clock) -> Result<Stores, StorageError> {
    let metadata = open_metadata(config, clock).await?;
    let blobs = disk::open(&config.data_dir, config.storage.min_free_space.bytes(), clock.clone())?;
    Ok(Stores { metadata, blobs })
}

/// Opens the metadata store alone, for commands that need no blob.
pub(crate) async fn open_metadata(config: &Config, clock: &Clock) -> Result<Arc<dyn Metadata>, StorageError> {
    let data = DataDirectory::at(&config.data_dir);
    sqlite::open(&data.database(), clock.clone()).await
}

/// Examines the metadata store without creating or migrating it. `idle` says that no process has it open.
pub(crate) async fn inspect_metadata(config: &Config, idle: bool) -> Result<Inspection, StorageError> {
    let data = DataDirectory::at(&config.data_dir);
    sqlite::inspect(&data.database(), idle).await
}
