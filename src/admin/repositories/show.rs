//! What is in a repository.

use super::Hold;
use crate::admin::{AdminError, Administration, Sizes};
use crate::auth::AdminPermit;
use crate::domain::RepositoryName;

/// A repository, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repository {
    /// Its name.
    pub(crate) name: RepositoryName,
    /// How many tags it has.
    pub(crate) tags: u64,
    /// How many manifests it has.
    pub(crate) manifests: u64,
    /// How many blobs it has.
    pub(crate) blobs: u64,
    /// The sum of these blobs' sizes in bytes; blobs that repositories share count in each.
    pub(crate) bytes: u64,
    /// What its manifests hold.
    pub(crate) sizes: Sizes,
    /// When it was created, in seconds since the Unix epoch.
    pub(crate) created_at: i64,
    /// What of it is held.
    pub(crate) holds: Vec<Hold>,
}

impl Administration {
    /// What is in the repository of this name.
    pub(crate) async fn repository(
        &self,
        permit: &AdminPermit,
        name: &RepositoryName,
    ) -> Result<Repository, AdminError> {
        let unknown = || AdminError::UnknownRepository(name.clone());
        let summary = self.metadata.repository_summary(name).await?.ok_or_else(unknown)?;
        let sizes = self.metadata.repository_sizes(std::slice::from_ref(name)).await?.pop().ok_or_else(unknown)?.sizes;
        Ok(Repository {
            name: summary.name,
            tags: summary.tags,
            manifests: summary.manifests,
            blobs: summary.blobs,
            bytes: summary.bytes,
            sizes: sizes.into(),
            created_at: summary.created_at,
            holds: self.holds(permit, name).await?,
        })
    }
}
