//! Adding a grant.

use super::Grant;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::{Action, Actions, Grantee};

impl Administration {
    /// Allows actions on repositories, in addition to what was granted on the same pattern before.
    pub(crate) async fn add_grant(&self, _permit: &AdminPermit, grant: Grant) -> Result<(), AdminError> {
        match &grant.to {
            Grantee::User(name) if self.metadata.user(name).await?.is_none() => {
                return Err(AdminError::UnknownUser(name.clone()));
            }
            Grantee::Group(_) | Grantee::Robot(_) => return Err(AdminError::UnsupportedGrantee),
            Grantee::Anonymous if grant.allow != Actions::from(Action::Pull) => {
                return Err(AdminError::AnonymousWrites);
            }
            Grantee::User(_) | Grantee::Authenticated | Grantee::Anonymous => {}
        }
        Ok(self.metadata.add_grant(grant.into()).await?)
    }
}
