//! Counting what quotas cover, once more or for the first time.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::storage::metadata::{CountedStep, QuotaRecord};

impl Administration {
    /// Counts every quota again, while pushes continue. Each says by how many bytes it was wrong.
    pub(crate) async fn recount_quotas(
        &self,
        permit: &AdminPermit,
        progress: impl FnMut(&CountedStep),
    ) -> Result<Vec<QuotaRecord>, AdminError> {
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
        mut progress: impl FnMut(&CountedStep),
    ) -> Result<(), AdminError> {
        while let Some(step) = self.metadata.count_quotas().await? {
            progress(&step);
        }
        Ok(())
    }
}
