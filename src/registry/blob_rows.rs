//! Rows of blobs in memory, behind the permit: that a repository has a blob, how long it is, and where its content is. A row counts as
//! long as its repository has the generation that it was read at ([`super::generations`]). That a repository has a blob *not* is never
//! remembered.

use std::sync::Arc;

use moka::sync::Cache;

use super::{Registry, RegistryError};
use crate::domain::{Digest, RepositoryName};
use crate::storage::metadata::LinkedBlob;

/// How many rows are remembered; each takes about half a kilobyte.
const CAPACITY: u64 = 8192;

/// Rows that were asked for recently.
pub(super) struct BlobRows(Cache<(RepositoryName, Digest), Arc<LinkedBlob>>);

impl BlobRows {
    pub(super) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    /// The row is read again by the next request: what it says may not be so any more.
    pub(super) fn forget(&self, repository: &RepositoryName, digest: &Digest) {
        self.0.invalidate(&(repository.clone(), digest.clone()));
    }
}

impl Registry {
    /// The blob's row, where the repository has it.
    pub(super) async fn linked_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<Arc<LinkedBlob>>, RegistryError> {
        let key = (repository.clone(), digest.clone());
        let moment = self.generations.moment(repository);
        if let Some(known) = self.rows.0.get(&key)
            && self.holds(repository, known.generation, moment).await?
        {
            return Ok(Some(known));
        }
        let Some(found) = self.metadata.blob(repository, digest).await?.map(Arc::new) else { return Ok(None) };
        self.generations.saw(repository, moment, Some(found.generation));
        self.rows.0.insert(key, Arc::clone(&found));
        Ok(Some(found))
    }

    /// Whether the repository has the blob, with its content.
    pub(super) async fn has_content(&self, linked: &LinkedBlob) -> Result<bool, RegistryError> {
        Ok(self.blobs.length(&linked.blob.key).await? == Some(linked.blob.size))
    }
}
