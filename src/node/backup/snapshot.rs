//! A snapshot of the database in a file of its own, which is gone when it is dropped.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::stream;
use tokio::io::AsyncReadExt;

use super::manifest::Summary;
use crate::config::Config;
use crate::domain::Clock;
use crate::node::data_directory::DataDirectory;
use crate::node::progress::Progress;
use crate::node::shared::WorkingCopy;
use crate::node::stores;
use crate::pki::KeptFiles;
use crate::storage::StorageError;
use crate::storage::blobs::ByteStream;
use crate::storage::metadata::transfer::{self, Tables, backup};
use crate::storage::metadata::{StoredBlob, sqlite};

const CHUNK: u64 = 256 * 1024;

pub(super) struct Snapshot {
    folder: WorkingCopy,
}

impl Snapshot {
    /// An empty place for one, in the data directory.
    pub(super) fn place(data: &DataDirectory) -> anyhow::Result<Self> {
        Ok(Self { folder: WorkingCopy::make(data.path(), &KeptFiles::default())? })
    }

    /// Of the registry, as it is now. Others work on it meanwhile.
    pub(super) async fn take(
        config: &Config,
        data: &DataDirectory,
        progress: &Arc<dyn Progress>,
    ) -> anyhow::Result<Self> {
        let snapshot = Self::place(data)?;
        if !config.database.is_shared() {
            sqlite::snapshot(&data.database(), &snapshot.path()).await?;
            return Ok(snapshot);
        }
        sqlite::open(&snapshot.path(), Clock::system()).await?.close().await?;
        let (mut source, mut target) = (stores::open_tables(config).await?, snapshot.tables().await?);
        let rows = |table: &'static str, rows| progress.rows(table, rows);
        transfer::copy(&mut *source, &mut *target, false, &rows).await?;
        source.close().await?;
        target.close().await?;
        Ok(snapshot)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("metadata.sqlite")
    }

    pub(super) async fn tables(&self) -> Result<Box<dyn Tables>, StorageError> {
        sqlite::tables(&self.path()).await
    }

    /// What is in it.
    pub(super) async fn summary(&self) -> anyhow::Result<Summary> {
        let mut tables = self.tables().await?;
        let graph = transfer::graph_digest(&mut *tables).await?;
        tables.begin_reading().await?;
        let (blobs, bytes) = backup::blob_totals(&mut *tables).await?;
        let instance = backup::instance(&mut *tables).await?;
        tables.commit().await?;
        tables.close().await?;
        let schema = sqlite::schema(&self.path(), true).await?.schema.unwrap_or_default();
        Ok(Summary { instance, schema, blobs, bytes, graph })
    }

    /// All blobs, in the order of digests.
    pub(super) async fn for_each_blob(
        &self,
        mut each: impl AsyncFnMut(StoredBlob) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        use futures_util::StreamExt;
        let mut tables = self.tables().await?;
        let columns = backup::blob_columns();
        tables.begin_reading().await?;
        let mut blobs = backup::blobs(&mut *tables, &columns);
        while let Some(blob) = blobs.next().await {
            each(blob?).await?;
        }
        drop(blobs);
        tables.commit().await?;
        Ok(tables.close().await?)
    }

    /// Its bytes.
    pub(super) async fn body(&self) -> anyhow::Result<ByteStream> {
        let path = self.path();
        let failed = |error| StorageError::io(format!("reading {}", path.display()), error);
        let file = tokio::fs::File::open(&path).await.map_err(failed)?;
        Ok(Box::pin(stream::try_unfold(file, |mut file| async move {
            let mut chunk = Vec::new();
            let read = (&mut file).take(CHUNK).read_to_end(&mut chunk).await;
            read.map_err(|error| StorageError::io("reading a copy of the database", error))?;
            Ok((!chunk.is_empty()).then(|| (chunk.into(), file)))
        })))
    }
}
