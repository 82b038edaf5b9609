//! Disabling a user: kept, with their grants, but refused.

use super::known;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::AccountName;

impl Administration {
    /// Refuses every login of the user from now on. Tokens already issued are no longer accepted.
    pub(crate) async fn disable_user(&self, _permit: &AdminPermit, name: &AccountName) -> Result<(), AdminError> {
        known(self.metadata.set_disabled(name, true).await?, name)
    }
}
