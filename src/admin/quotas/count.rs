//! Counting what quotas cover, once more or for the first time.

use super::Quota;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::Glob;

impl Administration {
    /// Counts every quota again, while pushes continue. Each says by how many bytes it was wrong.
    pub(crate) async fn recount_quotas(
        &self,
        permit: &AdminPermit,
        progress: impl FnMut(&Glob),
    ) -> Result<Vec<Quota>, AdminError> {
        for quota in self.metadata.quotas().await? {
            self.metadata.recount_quota(&quota.on).await?;
        }
        self.count_quotas(permit, progress).await?;
        self.quotas(permit).await
    }

    /// Counts until nothing is left to be counted.
    pub(super) async fn count_quotas(
        &self,
        _permit: &AdminPermit,
        mut progress: impl FnMut(&Glob),
    ) -> Result<(), AdminError> {
        while let Some(step) = self.metadata.count_quotas().await? {
            progress(&step.on);
        }
        Ok(())
    }
}
