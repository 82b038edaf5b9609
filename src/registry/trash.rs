//! What was in the trash for as long as it is kept there is removed for good, before the collector frees what only that kept.

use super::{Registry, RegistryError};

/// How many entries are removed at once.
const BATCH: u32 = 100;

impl Registry {
    /// Removes some of the entries whose time is over. Returns how many it has looked at.
    pub(super) async fn remove_due_trash(&self) -> Result<u64, RegistryError> {
        let due = self.metadata.due_trash(BATCH).await?;
        for id in &due {
            self.metadata.remove_trash(*id).await?;
        }
        Ok(due.len() as u64)
    }
}
