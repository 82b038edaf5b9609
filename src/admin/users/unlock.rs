//! Unlocking a user whom failed logins have locked out.

use super::known;
use crate::admin::{AdminError, Administration};
use crate::auth::AdminPermit;
use crate::domain::AccountName;

/// What was in force before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnlockedUser {
    /// Whether password login was locked.
    pub(crate) was_locked: bool,
    /// How many failed logins were forgotten.
    pub(crate) forgotten: usize,
}

impl Administration {
    /// Forgets the failed logins of a user, so that their password is checked again at once.
    pub(crate) async fn unlock_user(
        &self,
        _permit: &AdminPermit,
        name: &AccountName,
    ) -> Result<UnlockedUser, AdminError> {
        let record = self.metadata.user(name).await?.ok_or_else(|| AdminError::UnknownUser(name.clone()))?;
        known(self.metadata.clear_login_failures(name).await?, name)?;
        let user = self.user_of(record);
        Ok(UnlockedUser { was_locked: user.locked_until.is_some(), forgotten: user.failed_logins })
    }
}
