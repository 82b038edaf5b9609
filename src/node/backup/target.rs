//! The storage that a backup is restored into: empty, or what an interrupted restore of the same backup has left.

use std::sync::Arc;

use anyhow::bail;

use crate::config::Config;
use crate::domain::Clock;
use crate::node::data_directory::{DataDirectory, DataLock};
use crate::node::stores;
use crate::pki::Authority;
use crate::storage::blobs::BlobStore;
use crate::storage::coordination::MovePhase;
use crate::storage::metadata::Metadata;

pub(super) struct Target {
    pub(super) data: DataDirectory,
    pub(super) metadata: Arc<dyn Metadata>,
    pub(super) blobs: Arc<dyn BlobStore>,
    /// As an operator knows it.
    pub(super) place: String,
    _lock: DataLock,
}

impl Target {
    /// Opens it for the backup `id`; no process serves it.
    pub(super) async fn claim(config: &Config, id: &str) -> anyhow::Result<Self> {
        let data = DataDirectory::at(&config.data_dir);
        data.create()?;
        let lock = data.lock()?;
        let stores = stores::open_for_move(config, &Clock::system()).await?;
        let place = format!("{} with blobs in {}", stores::database_place(config), stores::blob_place(config));
        let target = Self { data, metadata: stores.metadata, blobs: stores.blobs, place, _lock: lock };
        match target.require_empty(id).await {
            Ok(()) => Ok(target),
            Err(error) => {
                target.metadata.close().await?;
                Err(error)
            }
        }
    }

    async fn require_empty(&self, id: &str) -> anyhow::Result<()> {
        let path = self.data.path().display();
        let continues = self.metadata.move_phase().await? == MovePhase::Arriving(id.to_owned());
        if let (false, Some(date)) = (continues, self.data.initialised_on()?) {
            bail!(
                "{path} has a registry, which was initialised on {date}: a backup is restored into an empty one; choose another --data, or \
                 move that directory away; nothing changed"
            );
        }
        if !continues && Authority::exists(self.data.path()) {
            bail!(
                "{path} has the certificate authority of another registry: choose an empty directory; nothing changed"
            );
        }
        require_new(&*self.metadata, id, &self.place).await
    }
}

/// Takes a database for what `id` names: it is empty, or what an interrupted run for the same has left.
pub(super) async fn require_new(metadata: &dyn Metadata, id: &str, place: &str) -> anyhow::Result<()> {
    match metadata.move_phase().await? {
        MovePhase::Arriving(from) if from == id => return Ok(()),
        MovePhase::Arriving(_) => bail!("{place} is being filled with another registry: choose an empty database"),
        _ => {}
    }
    if !metadata.is_new().await? || metadata.blob_totals().await?.count > 0 {
        bail!("{place} holds a registry already: an empty database is needed; nothing changed");
    }
    Ok(metadata.set_move_phase(MovePhase::Arriving(id.to_owned())).await?)
}
