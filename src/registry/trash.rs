//! What was in the trash for as long as it is kept there is removed for good, before the collector frees what only that kept.

use super::{Registry, RegistryError};

/// How many entries of the history are forgotten at once.
const FORGOTTEN: u32 = 1000;

impl Registry {
    /// Removes entries whose time is over.
    pub(super) async fn remove_due_trash(&self, due: &[i64]) -> Result<(), RegistryError> {
        for id in due {
            self.metadata.remove_trash(*id).await?;
        }
        Ok(())
    }

    /// Forgets what tags pointed to until longer ago than the history goes back.
    pub(crate) async fn forget_history(&self) -> Result<(), RegistryError> {
        self.require_writable()?;
        let history = i64::try_from(self.settings.trash.history.as_secs()).unwrap_or(i64::MAX);
        let before = self.clock.seconds().saturating_sub(history);
        while self.metadata.forget_history(before, FORGOTTEN).await? == u64::from(FORGOTTEN) {}
        Ok(())
    }
}
