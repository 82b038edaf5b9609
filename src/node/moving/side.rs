//! The two sides of a move: where they are, and their stores.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;

use crate::config::Config;
use crate::domain::Clock;
use crate::node::data_directory::{DataDirectory, DataLock};
use crate::node::stores;
use crate::storage::StorageError;
use crate::storage::blobs::BlobStore;
use crate::storage::metadata::Metadata;
use crate::storage::metadata::transfer::Tables;

/// One side.
pub(super) struct Side {
    pub(super) config: Config,
    pub(super) data: DataDirectory,
    pub(super) metadata: Arc<dyn Metadata>,
    pub(super) blobs: Arc<dyn BlobStore>,
    /// As an operator knows it: the database and the blob store.
    pub(super) place: String,
    pub(super) blob_place: String,
    _lock: Option<DataLock>,
}

impl Side {
    /// The registry that is to be moved, which may be served.
    pub(super) async fn open_source(config: &Config, data: DataDirectory) -> anyhow::Result<Self> {
        let side = Self::open(config, data, None).await?;
        side.data.require_first_start_done(&*side.metadata).await?;
        Ok(side)
    }

    /// Where it is to go. No process serves that.
    pub(super) async fn open_target(config: &Config, source: &Self) -> anyhow::Result<Self> {
        if stores::database_place(config) == stores::database_place(&source.config) {
            bail!(
                "source and target have the same database, {}: choose another one in the target's configuration ([database] url, or \
                 data_dir)",
                stores::database_place(config)
            );
        }
        let data = DataDirectory::at(&config.data_dir);
        data.create()?;
        let is_same = same(data.path(), source.data.path());
        let lock = if is_same { None } else { Some(data.lock()?) };
        Self::open(config, data, lock).await
    }

    async fn open(config: &Config, data: DataDirectory, lock: Option<DataLock>) -> anyhow::Result<Self> {
        // A clock of its own: it follows the one of its database.
        let stores = stores::open_for_move(config, &Clock::system()).await?;
        let (database, blob_place) = (stores::database_place(config), stores::blob_place(config));
        let place = format!("{database} with blobs in {blob_place}");
        let config = config.clone();
        Ok(Self { config, data, metadata: stores.metadata, blobs: stores.blobs, place, blob_place, _lock: lock })
    }

    /// A connection to the database for whole tables.
    pub(super) async fn tables(&self) -> Result<Box<dyn Tables>, StorageError> {
        stores::open_tables(&self.config).await
    }
}

/// Whether both name one directory.
pub(super) fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    real(one) == real(other)
}
