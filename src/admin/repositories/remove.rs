//! Removing a repository.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::RepositoryName;
use crate::storage::coordination::seen_everywhere;

impl Administration {
    /// Removes a repository with its tags, manifests and upload sessions. No pull that follows is answered from it.
    pub(crate) async fn remove_repository(
        &self,
        _permit: &AdminPermit,
        name: &RepositoryName,
    ) -> Result<(), AdminError> {
        if self.metadata.remove_repository(name).await? {
            seen_everywhere(self.metadata.serves_many_nodes()).await;
            Ok(())
        } else {
            Err(AdminError::UnknownRepository(name.clone()))
        }
    }
}
