//! Whether someone may do something, and why.

use crate::admin::{AdminError, Administration};
use crate::auth::{AdminPermit, Explanation, Policy};
use crate::domain::{Action, Grantee, RepositoryName};

impl Administration {
    /// Whether `who` may do `action` on the repository now, by which right, and what would allow it. The repository need not exist.
    pub(crate) async fn explain(
        &self,
        _permit: &AdminPermit,
        who: &Grantee,
        action: Action,
        repository: &RepositoryName,
    ) -> Result<Explanation, AdminError> {
        let policy = Policy::load(&*self.metadata, who, self.settings.personal_namespaces).await?;
        Ok(policy.explain(who, action, repository))
    }
}
