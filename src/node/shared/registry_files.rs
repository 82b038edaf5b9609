//! The files of certificates and keys of a registry, wherever they are.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::blob_store::require_blob_store;
use super::{Mirror, SharedFiles, WorkingCopy};
use crate::auth::DataKey;
use crate::config::Config;
use crate::jobs::follow_shared_files::Follow;
use crate::node::data_directory::DataDirectory;
use crate::node::secrets;
use crate::node::stores::Stores;
use crate::pki::{Authority, FileChanges, InPlace, KeptFiles, PkiError};
use crate::storage::metadata::Metadata;

/// Where the files are, and how they are changed.
#[derive(Debug, Clone)]
pub(crate) enum RegistryFiles {
    /// In the data directory of the only node.
    Own(DataDirectory),
    /// In the database; this process serves nothing, and keeps no copy. It works within this data directory.
    Remote(SharedFiles, DataDirectory),
    /// In the database, with a copy in the data directory of this node, which serves.
    Mirrored(Arc<Mirror>),
}

impl RegistryFiles {
    /// For a node that serves, with the key of its registry. Refused if it has another key than the nodes that it shares the database
    /// with, or another place for blobs. Its data directory is brought up to date.
    pub(crate) async fn of_node(
        config: &Config,
        data: &DataDirectory,
        stores: &Stores,
    ) -> anyhow::Result<(Self, DataKey)> {
        let data_key = secrets::data_key(config, data, &*stores.metadata).await?;
        if !config.database.is_shared() {
            return Ok((Self::Own(data.clone()), data_key));
        }
        require_blob_store(&*stores.metadata, &*stores.blobs).await?;
        let mirror = Mirror::open(data, SharedFiles::new(Arc::clone(&stores.metadata), data_key.clone())).await?;
        Ok((Self::Mirrored(Arc::new(mirror)), data_key))
    }

    /// For a command: nothing is left on its machine.
    pub(crate) fn of_command(
        config: &Config,
        data: &DataDirectory,
        metadata: &Arc<dyn Metadata>,
        data_key: &DataKey,
    ) -> Self {
        if !config.database.is_shared() {
            return Self::Own(data.clone());
        }
        Self::Remote(SharedFiles::new(Arc::clone(metadata), data_key.clone()), data.clone())
    }

    /// Whether there are any.
    pub(crate) async fn exist(&self) -> Result<bool, PkiError> {
        match self {
            Self::Own(data) => Ok(Authority::exists(data.path())),
            Self::Remote(files, data) => Ok(files.version().await? > 0 || Authority::exists(data.path())),
            Self::Mirrored(mirror) => Ok(!mirror.is_empty().await || Authority::exists(mirror.data_dir())),
        }
    }

    /// Runs `work` on the files as they are. What it changes there is lost, or damage.
    pub(crate) async fn read<T>(&self, work: impl FnOnce(&DataDirectory) -> anyhow::Result<T>) -> anyhow::Result<T> {
        match self {
            Self::Own(data) => work(data),
            Self::Mirrored(mirror) => {
                mirror.follow().await?;
                work(&DataDirectory::at(mirror.data_dir()))
            }
            Self::Remote(files, data) => {
                let there = files.read().await?.map(|snapshot| snapshot.files).unwrap_or_default();
                let copy = WorkingCopy::make(data.path(), &there)?;
                work(&DataDirectory::at(copy.path()))
            }
        }
    }

    /// Changes the files, for all nodes. `change` is run again if others have changed them meanwhile.
    pub(crate) async fn change<T, E: From<PkiError>>(
        &self,
        mut change: impl FnMut(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Self::Own(data) => change(data.path()),
            Self::Mirrored(mirror) => mirror.change(change).await,
            Self::Remote(files, data) => {
                let first = if files.version().await? == 0 { Some(KeptFiles::read(data.path())?) } else { None };
                Ok(files.change(data.path(), first.as_ref(), change).await?.0)
            }
        }
    }

    /// What brings the copy of a node up to date; `None` if it has none.
    pub(crate) fn follower(&self) -> Option<Follow> {
        let Self::Mirrored(mirror) = self else { return None };
        let mirror = Arc::clone(mirror);
        Some(Box::new(move || {
            let mirror = Arc::clone(&mirror);
            Box::pin(async move { mirror.follow().await })
        }))
    }

    /// The same for [`crate::pki`], which waits for it.
    pub(crate) fn changes(&self) -> Arc<dyn FileChanges> {
        match self {
            Self::Own(data) => Arc::new(InPlace::new(data.path())),
            Self::Remote(files, data) => {
                Arc::new(RemoteChanges { files: files.clone(), data: data.clone(), runtime: Handle::current() })
            }
            Self::Mirrored(mirror) => Arc::clone(mirror) as Arc<dyn FileChanges>,
        }
    }
}

/// Changes of a process that serves nothing.
#[derive(Debug)]
struct RemoteChanges {
    files: SharedFiles,
    data: DataDirectory,
    runtime: Handle,
}

impl FileChanges for RemoteChanges {
    fn change(&self, change: &mut dyn FnMut(&Path) -> Result<(), PkiError>) -> Result<(), PkiError> {
        let changed = self.runtime.block_on(self.files.change(self.data.path(), None, change));
        changed.map(drop)
    }
}
