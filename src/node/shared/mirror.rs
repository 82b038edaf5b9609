//! The data directory of a node that serves: a copy of what the database has.

use std::path::{Path, PathBuf};

use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::files::{SharedFiles, Snapshot};
use crate::node::data_directory::DataDirectory;
use crate::pki::{FileChanges, KeptFiles, PkiError, PkiPaths, inspect, write_key};

/// Keeps the files of a data directory those of the database.
#[derive(Debug)]
pub(crate) struct Mirror {
    files: SharedFiles,
    data_dir: PathBuf,
    runtime: Handle,
    /// The version that the data directory has; held while it is written.
    version: Mutex<i64>,
}

impl Mirror {
    /// In this data directory. Refused if it has a certificate authority that was never the database's.
    pub(crate) async fn open(data: &DataDirectory, files: SharedFiles) -> Result<Self, PkiError> {
        let mirror =
            Self { files, data_dir: data.path().to_owned(), runtime: Handle::current(), version: Mutex::new(0) };
        if let Some(snapshot) = mirror.files.read().await? {
            mirror.install(&snapshot).await?;
        }
        Ok(mirror)
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Whether it had no files yet when it was asked last.
    pub(super) async fn is_empty(&self) -> bool {
        *self.version.lock().await == 0
    }

    /// Brings the data directory up to date if others have changed the files.
    pub(crate) async fn follow(&self) -> Result<(), PkiError> {
        if self.files.version().await? != *self.version.lock().await
            && let Some(snapshot) = self.files.read().await?
        {
            self.install(&snapshot).await?;
        }
        Ok(())
    }

    /// Changes the files of all nodes. Before the first start, it begins with what this data directory has.
    pub(crate) async fn change<T, E: From<PkiError>>(&self, change: impl FnMut(&Path) -> Result<T, E>) -> Result<T, E> {
        let first = if self.is_empty().await { Some(KeptFiles::read(&self.data_dir)?) } else { None };
        let (outcome, snapshot) = self.files.change(&self.data_dir, first.as_ref(), change).await?;
        self.install(&snapshot).await?;
        Ok(outcome)
    }

    /// An older one than the data directory has is left aside: another task of this node was faster.
    async fn install(&self, snapshot: &Snapshot) -> Result<(), PkiError> {
        let mut version = self.version.lock().await;
        if *version == 0 {
            self.claim(snapshot).await?;
        }
        if snapshot.version >= *version {
            if snapshot.files.install(&self.data_dir)? && *version > 0 {
                tracing::info!(version = snapshot.version, "the certificates that the nodes share have changed");
            }
            *version = snapshot.version;
        }
        Ok(())
    }

    /// Notes that the directory is a copy; only then may what it has be overwritten.
    async fn claim(&self, snapshot: &Snapshot) -> Result<(), PkiError> {
        let (marker, instance) = (self.data_dir.join("database-instance"), self.files.instance().await?);
        if std::fs::read_to_string(&marker).is_ok_and(|text| text.trim() == instance) {
            return Ok(());
        }
        let there = KeptFiles::read(&self.data_dir)?;
        if let Some(root) = there.root_certificate()
            && Some(root) != snapshot.files.root_certificate()
        {
            let found = inspect(&PkiPaths::new(&self.data_dir).root_certificate())?;
            let pin = found.first().map(|root| root.summary.fingerprint.to_string()).unwrap_or_default();
            return Err(PkiError::OtherAuthority { path: self.data_dir.clone(), pin });
        }
        write_key(&marker, format!("{instance}\n").as_bytes())
    }
}

impl FileChanges for Mirror {
    /// To be called where waiting is allowed.
    fn change(&self, change: &mut dyn FnMut(&Path) -> Result<(), PkiError>) -> Result<(), PkiError> {
        self.runtime.block_on(Self::change(self, change))
    }
}
