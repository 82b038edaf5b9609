//! One user.

use super::User;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::AccountName;

impl Administration {
    /// The user of this name.
    pub(crate) async fn user(&self, _permit: &AdminPermit, name: &AccountName) -> Result<User, AdminError> {
        let record = self.metadata.user(name).await?.ok_or_else(|| AdminError::UnknownUser(name.clone()))?;
        Ok(self.user_of(record))
    }
}
