//! Leases: a client that is told that a blob is there skips its upload and pushes a manifest soon, so the blob must still be there then.

use super::blob_rows::KnownBlob;
use super::{Registry, RegistryError};
use crate::domain::RepositoryName;

impl Registry {
    /// Leases the blob, unless its lease is long enough: for each blob, that is one write in half the time of a lease. `false` where it was
    /// collected meanwhile.
    pub(super) async fn lease(&self, repository: &RepositoryName, known: &KnownBlob) -> Result<bool, RegistryError> {
        let until = self.clock.seconds().saturating_add_unsigned(self.settings.gc.lease.as_secs() / 2);
        if known.linked.leased_until >= until || self.settings.storage.read_only {
            return Ok(true);
        }
        let digest = &known.linked.blob.digest;
        let is_leased = self.metadata.lease_blob(repository, digest, self.settings.gc.lease).await;
        self.rows.forget(repository, digest);
        Ok(is_leased?)
    }
}
