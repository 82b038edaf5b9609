//! All users.

use super::User;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;

impl Administration {
    /// All users, in the order of their names.
    pub(crate) async fn users(&self, _permit: &AdminPermit) -> Result<Vec<User>, AdminError> {
        Ok(self.metadata.users().await?.into_iter().map(|record| self.user_of(record)).collect())
    }
}
