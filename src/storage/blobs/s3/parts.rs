//! Memory for parts: so many may be filled or on their way at the same time, of all uploads together. The others wait, in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::storage::StorageError;

/// How long an upload waits for its turn at most.
const PATIENCE: Duration = Duration::from_mins(2);
/// At least so many parts fit.
const LEAST: u64 = 2;

/// Room for parts.
pub(super) struct PartMemory(Arc<Semaphore>);

/// Room for one part.
pub(super) struct PartRoom {
    _permit: OwnedSemaphorePermit,
}

impl PartMemory {
    pub(super) fn new(bytes: u64, part_size: u64) -> Self {
        let parts = usize::try_from((bytes / part_size.max(1)).max(LEAST)).unwrap_or(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(parts.min(Semaphore::MAX_PERMITS))))
    }

    /// Waits for room.
    pub(super) async fn room(&self) -> Result<PartRoom, StorageError> {
        let busy = || StorageError::Busy("no memory for parts for a while (blobs.s3.upload_memory)".to_owned());
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await.map_err(|_| busy())?;
        Ok(PartRoom { _permit: permit.map_err(|_| busy())? })
    }

    /// Whether there is none left, so that others may be waiting.
    pub(super) fn is_used_up(&self) -> bool {
        self.0.available_permits() == 0
    }
}
