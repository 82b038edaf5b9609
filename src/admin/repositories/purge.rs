//! Purging: at once, past the trash.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::{ImageName, Reference};
use crate::storage::coordination::seen_everywhere;
use crate::storage::metadata::{Cause, Purged};

/// What a purge has removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PurgeReport {
    /// How many manifests.
    pub(crate) manifests: u64,
    /// How many contents of blobs that nothing else needs.
    pub(crate) contents: u64,
    /// The bytes of these.
    pub(crate) bytes: u64,
    /// How many contents stay, because other images need them.
    pub(crate) shared: u64,
}

impl From<Purged> for PurgeReport {
    fn from(purged: Purged) -> Self {
        let Purged { manifests, contents, bytes, shared } = purged;
        Self { manifests, contents, bytes, shared }
    }
}

impl Administration {
    /// Purges a manifest by its digest, or a repository. The contents are gone for every reader; the caller has the blob store remove them.
    pub(crate) async fn purge(
        &self,
        permit: &AdminPermit,
        name: &ImageName,
        reason: &str,
    ) -> Result<PurgeReport, AdminError> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(AdminError::NoReason);
        }
        let (repository, change) = (&name.repository, self.change(permit, Cause::Purge));
        let purged = match &name.reference {
            Some(Reference::Tag(_)) => return Err(AdminError::PurgeByTag(name.clone())),
            Some(Reference::Digest(digest)) => {
                let purged = self.metadata.purge_manifest(repository, digest, reason, &change).await?;
                purged.ok_or_else(|| AdminError::UnknownManifest(repository.clone(), digest.clone()))?
            }
            None => {
                let purged = self.metadata.purge_repository(repository, reason, &change).await?;
                purged.ok_or_else(|| AdminError::UnknownRepository(repository.clone()))?
            }
        };
        seen_everywhere(self.metadata.serves_many_nodes()).await;
        let by = change.by;
        tracing::warn!(%name, %by, reason, manifests = purged.manifests, contents = purged.contents, "purged");
        Ok(purged.into())
    }
}
