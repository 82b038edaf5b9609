//! Pull: manifests by tag or digest, blobs by digest.

use std::ops::Range;
use std::sync::Arc;

use super::manifest_cache::Known;
use super::{Content, PulledManifest, Registry, RegistryError};
use crate::auth::{Authorized, Pull};
use crate::domain::{Digest, Reference};
use crate::storage::metadata::BlobRecord;

/// A blob that may be read: its row was checked.
pub struct BlobContent<'r> {
    registry: &'r Registry,
    record: BlobRecord,
}

impl Registry {
    /// The manifest with this tag or digest.
    pub async fn pull_manifest(
        &self,
        permit: &Authorized<Pull>,
        reference: &Reference,
    ) -> Result<PulledManifest, RegistryError> {
        let repository = permit.repository();
        let key = (repository.clone(), reference.clone());
        let moment = self.manifests.moment(repository);
        match self.manifests.get(&key, moment) {
            Known::Fresh(manifest) => return Ok(manifest.into()),
            Known::ToCompare(manifest) => {
                let generation = self.metadata.generation(repository).await?;
                self.manifests.saw(repository, moment, generation);
                if generation == Some(manifest.generation) {
                    return Ok(manifest.into());
                }
            }
            Known::Unknown => {}
        }
        // Each may bring megabytes along, which no one has counted yet. Nothing closes the semaphore.
        let _turn = self.reading.acquire().await.ok();
        let found = match reference {
            Reference::Tag(tag) => self.metadata.manifest_by_tag(repository, tag).await?,
            Reference::Digest(digest) => self.metadata.manifest(repository, digest).await?,
        };
        match found {
            Some(manifest) => {
                let manifest = Arc::new(manifest);
                self.manifests.keep(key, moment, Arc::clone(&manifest));
                Ok(manifest.into())
            }
            None => Err(self.unknown_manifest(repository.clone(), reference.clone()).await?),
        }
    }

    /// The blob with this digest, where the repository has it.
    pub async fn pull_blob(
        &self,
        permit: &Authorized<Pull>,
        digest: &Digest,
    ) -> Result<BlobContent<'_>, RegistryError> {
        let record = self.metadata.blob(permit.repository(), digest).await?;
        let record = record.ok_or_else(|| RegistryError::BlobUnknown(digest.clone()))?;
        Ok(BlobContent { registry: self, record })
    }

    pub(super) async fn unknown_manifest(
        &self,
        repository: crate::domain::RepositoryName,
        reference: Reference,
    ) -> Result<RegistryError, RegistryError> {
        Ok(if self.metadata.repository_exists(&repository).await? {
            RegistryError::ManifestUnknown { repository, reference }
        } else {
            RegistryError::NameUnknown(repository)
        })
    }
}

impl BlobContent<'_> {
    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.record.size
    }

    /// Checks that the content is there with its full length; [`RegistryError::BlobUnknown`] where it is not, so that the next
    /// push brings it back.
    pub async fn verify_present(&self) -> Result<(), RegistryError> {
        if self.registry.blobs.length(&self.record.key).await? == Some(self.record.size) {
            return Ok(());
        }
        tracing::error!(digest = %self.record.digest, "the content of a blob is missing or short; push it again to fix it");
        Err(RegistryError::BlobUnknown(self.record.digest.clone()))
    }

    /// Its bytes, or the half-open `range` of them; or where the client gets them.
    pub async fn read(&self, range: Range<u64>) -> Result<Content, RegistryError> {
        Ok(self.registry.blobs.locate(&self.record.key, range).await?.into())
    }
}
