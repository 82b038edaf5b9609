//! A session's turn over nodes, where they share a store of blobs in which two appends to one session could spoil each other's bytes. The row of
//! the session says whose turn it is and until when, so that a node that dies keeps the session for a few seconds only.
//!
//! Appends that cannot spoil each other take no turn at first: whose progress is saved, decides the row as it does on one node. After a
//! while they do, so that the session does not expire under them.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Registry, RegistryError};
use crate::domain::UploadId;

/// How long a turn lasts unless it is kept, and how often it is kept.
const TURN: Duration = Duration::from_secs(9);
const KEEP: Duration = Duration::from_secs(3);
/// How long a request waits for the one before it, which may be on a node that died a moment ago; and how often it asks.
const PATIENCE: Duration = Duration::from_secs(12);
const ASK: Duration = Duration::from_millis(200);

/// A session that this request keeps. Given back when dropped.
pub(super) struct UploadTurn {
    registry: Arc<Registry>,
    id: UploadId,
    holder: String,
    _kept: AbortOnDropHandle<()>,
}

impl UploadTurn {
    /// Waits for it, if `needed`; keeps it in any case from some seconds on.
    pub(super) async fn take(registry: &Arc<Registry>, id: UploadId, needed: bool) -> Result<Self, RegistryError> {
        let holder = Uuid::new_v4().to_string();
        if needed {
            let held = tokio::time::timeout(PATIENCE, wait(registry, id, &holder)).await;
            held.map_err(|_| RegistryError::UploadBusy)??;
        }
        let kept = AbortOnDropHandle::new(tokio::spawn(keep(Arc::clone(registry), id, holder.clone())));
        Ok(Self { registry: Arc::clone(registry), id, holder, _kept: kept })
    }
}

async fn wait(registry: &Registry, id: UploadId, holder: &str) -> Result<(), RegistryError> {
    while !registry.metadata.hold_upload(id, holder, TURN).await? {
        if !registry.metadata.upload_exists(id).await? {
            return Err(RegistryError::UploadUnknown);
        }
        tokio::time::sleep(ASK).await;
    }
    Ok(())
}

/// Ends with the request.
async fn keep(registry: Arc<Registry>, id: UploadId, holder: String) {
    loop {
        tokio::time::sleep(KEEP).await;
        // If the database is away the turn may be lost; whether progress is saved is decided by the session's length.
        if let Err(error) = registry.metadata.hold_upload(id, &holder, TURN).await {
            tracing::debug!(%error, "an upload session's turn could not be kept");
        }
    }
}

impl Drop for UploadTurn {
    fn drop(&mut self) {
        let (registry, id, holder) = (Arc::clone(&self.registry), self.id, std::mem::take(&mut self.holder));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // It ends by itself in a few seconds.
                let _ = registry.metadata.give_back_upload(id, &holder).await;
            });
        }
    }
}
