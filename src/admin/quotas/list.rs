//! All quotas.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::storage::metadata::QuotaRecord;

impl Administration {
    /// Every quota with what is used of it, in the order of their patterns.
    pub(crate) async fn quotas(&self, _permit: &AdminPermit) -> Result<Vec<QuotaRecord>, AdminError> {
        Ok(self.metadata.quotas().await?)
    }
}
