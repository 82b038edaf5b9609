//! Import: what another registry had is stored as a push would store it, by the operator, with the dates that it had there.

use bytes::Bytes;

use super::push::describe;
use super::{Registry, RegistryError};
use crate::auth::AdminPermit;
use crate::domain::{Digest, Manifest, Precondition, RepositoryName, Tag, TagProtection};
use crate::storage::metadata::{Cause, Change, EarlierDates, ImportedBlob, PutOutcome};

/// A manifest of another registry, and the tags that point to it.
#[derive(Debug)]
pub(crate) struct ImportedManifest {
    /// The digest of `content`.
    pub(crate) digest: Digest,
    /// What it says.
    pub(crate) manifest: Manifest,
    /// The bytes.
    pub(crate) content: Bytes,
    /// Tags to create, or to move here.
    pub(crate) tags: Vec<Tag>,
}

impl Registry {
    /// Refuses where nothing may be changed.
    pub(crate) fn require_importable(&self, _permit: &AdminPermit) -> Result<(), RegistryError> {
        self.require_writable()
    }

    /// Enters contents that are in the blob store into the repository, so that manifests can refer to them.
    pub(crate) async fn import_blobs(
        &self,
        _permit: &AdminPermit,
        repository: &RepositoryName,
        blobs: Vec<ImportedBlob>,
    ) -> Result<(), RegistryError> {
        self.require_writable()?;
        for needless in self.metadata.import_blobs(repository, blobs, self.settings.gc.lease).await? {
            self.blobs.remove(&needless).await?;
        }
        self.generations.invalidate(repository);
        Ok(())
    }

    /// Stores a manifest whose blobs are there. Children that are missing were missing before.
    pub(crate) async fn import_manifest(
        &self,
        permit: &AdminPermit,
        repository: &RepositoryName,
        imported: ImportedManifest,
    ) -> Result<(), RegistryError> {
        self.require_writable()?;
        let ImportedManifest { digest, manifest, content, tags } = imported;
        let mut new = describe(&manifest, digest, content, tags, Precondition::Always)?;
        new.may_be_sparse = true;
        let by = permit.actor().principal().subject();
        let change =
            Change { by, cause: Cause::Import, keep: self.settings.trash.keep, protection: TagProtection::default() };
        let outcome = self.metadata.put_manifest(repository, new, self.settings.gc.lease, &change).await;
        self.generations.invalidate(repository);
        match outcome? {
            PutOutcome::Stored => Ok(()),
            PutOutcome::Missing(digests) => Err(RegistryError::MissingReferences(digests)),
            PutOutcome::PreconditionFailed => Err(RegistryError::PreconditionFailed),
        }
    }

    /// Dates what was imported as it was dated before.
    pub(crate) async fn import_dates(
        &self,
        _permit: &AdminPermit,
        repository: &RepositoryName,
        dates: EarlierDates,
    ) -> Result<(), RegistryError> {
        self.require_writable()?;
        Ok(self.metadata.backdate(repository, dates).await?)
    }

    /// The registry that contents were taken over from is given up: what no one needs of them is removed from now on. Returns how many there
    /// are.
    pub(crate) async fn finish_imports(&self, _permit: &AdminPermit) -> Result<u64, RegistryError> {
        self.require_writable()?;
        match self.blobs.adopted_keys() {
            Some((shared, ours)) => Ok(self.metadata.rename_keys(shared, ours).await?),
            None => Ok(0),
        }
    }
}
