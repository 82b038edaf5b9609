//! Removing a repository.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::RepositoryName;
use crate::storage::coordination::seen_everywhere;
use crate::storage::metadata::Cause;

impl Administration {
    /// Removes a repository with its tags, manifests and upload sessions, into the trash where that keeps anything. No pull that follows is answered from it.
    pub(crate) async fn remove_repository(
        &self,
        permit: &AdminPermit,
        name: &RepositoryName,
    ) -> Result<(), AdminError> {
        if self.metadata.remove_repository(name, &self.change(permit, Cause::Delete)).await? {
            seen_everywhere(self.metadata.serves_many_nodes()).await;
            Ok(())
        } else {
            Err(AdminError::UnknownRepository(name.clone()))
        }
    }
}
