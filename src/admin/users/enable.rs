//! Enabling a user who was disabled.

use super::known;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::AccountName;

impl Administration {
    /// Lets the user log in again, with the password and the grants that they had. Tokens from before stay invalid.
    pub(crate) async fn enable_user(&self, _permit: &AdminPermit, name: &AccountName) -> Result<(), AdminError> {
        known(self.metadata.set_disabled(name, false).await?, name)
    }
}
