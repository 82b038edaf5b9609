//! Delete: a tag alone, a manifest with its tags, a blob's link.

use super::{Registry, RegistryError};
use crate::auth::{Authorized, Delete};
use crate::domain::{Digest, Reference};
use crate::storage::metadata::Cause;

impl Registry {
    /// Deletes a tag, or a manifest and every tag that points to it. Both can be restored for as long as the trash keeps them.
    pub async fn delete_manifest(
        &self,
        permit: &Authorized<Delete>,
        reference: &Reference,
    ) -> Result<(), RegistryError> {
        self.require_delete()?;
        let (repository, change) = (permit.repository(), self.change(permit, Cause::Delete).await?);
        let deleted = match reference {
            Reference::Tag(tag) => self.metadata.delete_tag(repository, tag, &change).await,
            Reference::Digest(digest) => self.metadata.delete_manifest(repository, digest, &change).await,
        };
        self.generations.invalidate(repository);
        if deleted? { Ok(()) } else { Err(self.unknown_manifest(repository.clone(), reference.clone()).await?) }
    }

    /// Takes a blob out of the repository; its content stays for others, and until it is collected.
    pub async fn delete_blob(&self, permit: &Authorized<Delete>, digest: &Digest) -> Result<(), RegistryError> {
        self.require_delete()?;
        let protection = self.change(permit, Cause::Delete).await?.protection;
        let unlinked = self.metadata.unlink_blob(permit.repository(), digest, &protection).await;
        self.generations.invalidate(permit.repository());
        if unlinked? { Ok(()) } else { Err(RegistryError::BlobUnknown(digest.clone())) }
    }

    fn require_delete(&self) -> Result<(), RegistryError> {
        self.require_writable()?;
        if self.settings.delete.enabled { Ok(()) } else { Err(RegistryError::DeleteDisabled) }
    }
}
