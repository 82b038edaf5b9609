//! Removing a quota.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::Glob;

impl Administration {
    /// Removes the quota of a pattern, as it was written when it was set. It is not enforced from then on; returns when its count is forgotten.
    pub(crate) async fn remove_quota(
        &self,
        permit: &AdminPermit,
        on: &Glob,
        progress: impl FnMut(&Glob),
    ) -> Result<(), AdminError> {
        if !self.metadata.remove_quota(on).await? {
            return Err(AdminError::UnknownQuota(on.clone()));
        }
        self.count_quotas(permit, progress).await
    }
}
