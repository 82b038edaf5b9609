//! All quotas.

use super::Quota;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;

impl Administration {
    /// Every quota with what is used of it, in the order of their patterns.
    pub(crate) async fn quotas(&self, _permit: &AdminPermit) -> Result<Vec<Quota>, AdminError> {
        Ok(self.metadata.quotas().await?.into_iter().map(Quota::from).collect())
    }
}
