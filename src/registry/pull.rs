//! Pull: manifests by tag or digest, blobs by digest.

use std::ops::Range;
use std::sync::Arc;

use super::blob_rows::KnownBlob;
use super::{Content, PulledManifest, Registry, RegistryError};
use crate::auth::{Authorized, Pull};
use crate::domain::{Digest, Reference, RepositoryName};

/// A blob that may be read: its row was checked.
pub struct BlobContent<'r> {
    registry: &'r Registry,
    permit: &'r Authorized<Pull>,
    known: Arc<KnownBlob>,
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
        let moment = self.generations.moment(repository);
        if let Some(manifest) = self.manifests.get(&key)
            && self.holds(repository, manifest.generation, moment).await?
        {
            return Ok(manifest.into());
        }
        // Each may bring megabytes along, which no one has counted yet.
        let _turn = self.reading.take(permit.subject()).await;
        let found = match reference {
            Reference::Tag(tag) => self.metadata.manifest_by_tag(repository, tag).await?,
            Reference::Digest(digest) => self.metadata.manifest(repository, digest).await?,
        };
        match found {
            Some(manifest) => {
                let manifest = Arc::new(manifest);
                self.generations.saw(repository, moment, Some(manifest.generation));
                self.manifests.keep(key, Arc::clone(&manifest));
                Ok(manifest.into())
            }
            None => Err(self.unknown_manifest(repository.clone(), reference.clone()).await?),
        }
    }

    /// The blob with this digest, where the repository has it.
    pub async fn pull_blob<'r>(
        &'r self,
        permit: &'r Authorized<Pull>,
        digest: &Digest,
    ) -> Result<BlobContent<'r>, RegistryError> {
        let known = self.known_blob(permit.repository(), digest).await?;
        let known = known.ok_or_else(|| RegistryError::BlobUnknown(digest.clone()))?;
        Ok(BlobContent { registry: self, permit, known })
    }

    pub(super) async fn unknown_manifest(
        &self,
        repository: RepositoryName,
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
        self.known.linked.blob.size
    }

    /// Checks that the content is there with its full length, and leases it; [`RegistryError::BlobUnknown`] where it is not, so that
    /// the next push brings it back.
    pub async fn verify_present(&self) -> Result<(), RegistryError> {
        let digest = &self.known.linked.blob.digest;
        if self.registry.has_content(&self.known).await? {
            let is_leased = self.registry.lease(self.permit.repository(), &self.known).await?;
            return if is_leased { Ok(()) } else { Err(RegistryError::BlobUnknown(digest.clone())) };
        }
        self.forget();
        tracing::error!(%digest, "the content of a blob is missing or short; push it again to fix it");
        Err(RegistryError::BlobUnknown(digest.clone()))
    }

    /// Its bytes, or the half-open `range` of them; or where the client gets them.
    pub async fn read(&self, range: Range<u64>) -> Result<Content, RegistryError> {
        self.registry.content(&self.known, range, self.permit.actor().address()).await.inspect_err(|_| self.forget())
    }

    /// A content that is lost may be replaced under another key, of which the repository's generation tells nothing.
    fn forget(&self) {
        self.registry.rows.forget(self.permit.repository(), &self.known.linked.blob.digest);
    }
}
