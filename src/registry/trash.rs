//! What was in the trash for as long as it is kept there is removed for good, before the collector frees what only that kept.

use super::{Registry, RegistryError};

impl Registry {
    /// Removes entries whose time is over.
    pub(super) async fn remove_due_trash(&self, due: &[i64]) -> Result<(), RegistryError> {
        for id in due {
            self.metadata.remove_trash(*id).await?;
        }
        Ok(())
    }
}
