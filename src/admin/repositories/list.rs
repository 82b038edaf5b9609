//! All repositories, a page at a time.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::RepositoryName;

impl Administration {
    /// Up to `limit` names in ASCII order, from the first one after `after`. The last page is empty.
    pub(crate) async fn repositories(
        &self,
        _permit: &AdminPermit,
        after: Option<&RepositoryName>,
        limit: u32,
    ) -> Result<Vec<RepositoryName>, AdminError> {
        Ok(self.metadata.repositories(after.map(RepositoryName::as_str), limit).await?)
    }
}
