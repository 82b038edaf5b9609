//! Setting a quota.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::Glob;

impl Administration {
    /// Lets the repositories of a pattern hold so many bytes together. Returns when what they hold already is counted; if this is
    /// dropped before, the server counts the rest. `progress` is told of each step.
    pub(crate) async fn set_quota(
        &self,
        permit: &AdminPermit,
        on: &Glob,
        limit: u64,
        progress: impl FnMut(&Glob),
    ) -> Result<(), AdminError> {
        if i64::try_from(limit).is_err() {
            return Err(AdminError::QuotaTooLarge);
        }
        self.metadata.set_quota(on, limit).await?;
        self.count_quotas(permit, progress).await
    }
}
