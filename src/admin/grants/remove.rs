//! Removing a grant.

use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::{Glob, Grantee};

impl Administration {
    /// Revokes every action that was granted on the pattern, as it was written then.
    pub(crate) async fn remove_grant(&self, _permit: &AdminPermit, to: &Grantee, on: &Glob) -> Result<(), AdminError> {
        if self.metadata.remove_grant(to, on).await? {
            Ok(())
        } else {
            Err(AdminError::UnknownGrant { to: to.clone(), on: on.clone() })
        }
    }
}
