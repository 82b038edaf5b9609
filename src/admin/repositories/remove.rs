//! Removing a repository.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::RepositoryName;

impl Administration {
    /// Removes a repository with its tags, manifests and upload sessions.
    pub(crate) async fn remove_repository(
        &self,
        _permit: &AdminPermit,
        name: &RepositoryName,
    ) -> Result<(), AdminError> {
        if self.metadata.remove_repository(name).await? {
            Ok(())
        } else {
            Err(AdminError::UnknownRepository(name.clone()))
        }
    }
}
