//! Setting a user's password.

use super::{NewPassword, known};
use crate::admin::{AdminError, Administration};
use crate::auth::{AdminPermit, Secret, is_password_of};
use crate::domain::AccountName;

/// The password that was in force before; it can be compared, but not read.
#[derive(Clone, Debug)]
pub(crate) struct ReplacedPassword {
    hash: String,
}

impl ReplacedPassword {
    /// Whether it was this one. Takes as long as a login.
    pub(crate) fn was(&self, password: &Secret) -> bool {
        is_password_of(password, &self.hash)
    }
}

impl Administration {
    /// Sets the password. The user's tokens are no longer accepted, and failed logins are forgotten.
    pub(crate) async fn set_password(
        &self,
        _permit: &AdminPermit,
        name: &AccountName,
        password: NewPassword,
    ) -> Result<ReplacedPassword, AdminError> {
        let unknown = || AdminError::UnknownUser(name.clone());
        let before = self.metadata.user(name).await?.ok_or_else(unknown)?;
        let password_hash = password.hash(name).await?;
        known(self.metadata.set_password(name, password_hash).await?, name)?;
        Ok(ReplacedPassword { hash: before.password_hash })
    }
}
