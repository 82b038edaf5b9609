//! Mount: a blob that another repository has becomes this one's, without its bytes being sent again.

use super::{Registry, RegistryError};
use crate::auth::{Authorized, Pull, Push};
use crate::domain::{Digest, RepositoryName};

/// How many repositories are looked at when a mount names none.
const CANDIDATES: u32 = 64;

impl Registry {
    /// Links a blob of the repository that `from` may be pulled from. `false` where that one does not have it.
    pub async fn mount(
        &self,
        permit: &Authorized<Push>,
        from: &Authorized<Pull>,
        digest: &Digest,
    ) -> Result<bool, RegistryError> {
        self.require_writable()?;
        let Some(blob) = self.metadata.blob(from.repository(), digest).await? else { return Ok(false) };
        if self.blobs.length(&blob.key).await? != Some(blob.size) {
            // The content is lost: let the client upload it, which mends it everywhere.
            return Ok(false);
        }
        Ok(self.metadata.mount_blob(from.repository(), permit.repository(), digest).await?)
    }

    /// Whether the repository that is pushed to has the blob already, with its content.
    pub async fn has_blob(&self, permit: &Authorized<Push>, digest: &Digest) -> Result<bool, RegistryError> {
        match self.metadata.blob(permit.repository(), digest).await? {
            Some(blob) => Ok(self.blobs.length(&blob.key).await? == Some(blob.size)),
            None => Ok(false),
        }
    }

    /// Repositories that have the blob; the caller asks policy for a permit to pull before it mounts from one, and tells
    /// nobody about the others.
    pub async fn mount_candidates(&self, digest: &Digest) -> Result<Vec<RepositoryName>, RegistryError> {
        Ok(self.metadata.repositories_with_blob(digest, None, CANDIDATES).await?)
    }
}
