//! Mount: a blob that another repository has becomes this one's, without its bytes being sent again.

use super::{Registry, RegistryError};
use crate::auth::{Authorized, Pull, Push};
use crate::domain::{Digest, NameRange, RepositoryName};

impl Registry {
    /// Links a blob of the repository that `from` may be pulled from. `false` where that one does not have it.
    pub async fn mount(
        &self,
        permit: &Authorized<Push>,
        from: &Authorized<Pull>,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        self.require_writable()?;
        let Some(known) = self.known_blob(from.repository(), digest).await? else { return Ok(false) };
        if !self.has_content(&known).await? {
            // The content is lost: let the client upload it, which fixes it everywhere.
            return Ok(false);
        }
        Ok(self.metadata.mount_blob(from.repository(), permit.repository(), digest, self.settings.gc.lease).await?)
    }

    /// Whether the repository that is pushed to has the blob already, with its content.
    pub async fn has_blob(&self, permit: &Authorized<Push>, digest: &Digest) -> Result<bool, RegistryError> {
        match self.known_blob(permit.repository(), digest).await? {
            Some(known) => Ok(self.has_content(&known).await? && self.lease(permit.repository(), &known).await?),
            None => Ok(false),
        }
    }

    /// A repository that has the blob, in one of the `ranges` of those that the caller may pull. Nothing outside of them is read,
    /// and it takes as long as for a blob that does not exist.
    pub async fn mount_source(
        &self,
        digest: &Digest,
        ranges: &[NameRange],
    ) -> Result<Option<RepositoryName>, RegistryError> {
        for range in ranges {
            if let Some(source) = self.metadata.repository_with_blob(digest, range).await? {
                return Ok(Some(source));
            }
        }
        Ok(None)
    }
}
