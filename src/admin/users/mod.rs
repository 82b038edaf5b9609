//! Users: who can log in.

mod add;
mod admission;
mod disable;
mod enable;
mod list;
mod new_password;
mod remove;
mod set_password;
mod show;
mod unlock;

pub(crate) use add::NewUser;
pub(crate) use admission::admit_name;
pub(crate) use new_password::NewPassword;
pub(crate) use set_password::ReplacedPassword;

use super::{AdminError, Administration};
use crate::auth::AccountLimit;
use crate::domain::AccountName;
use crate::storage::metadata::UserRecord;

/// A user, as an administrator sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The name to log in with.
    pub(crate) name: AccountName,
    /// Whether the user may do everything.
    pub(crate) admin: bool,
    /// Whether every login and token is refused.
    pub(crate) disabled: bool,
    /// When the user was added, in seconds since the Unix epoch.
    pub(crate) created_at: i64,
    /// How many logins with a wrong password failed in the last 24 hours.
    pub(crate) failed_logins: usize,
    /// Until when no password is checked, in seconds since the Unix epoch.
    pub(crate) locked_until: Option<i64>,
}

impl Administration {
    fn limit(&self) -> AccountLimit {
        AccountLimit::new(self.settings.failures_per_account)
    }

    /// What an administrator is shown of a record.
    fn user_of(&self, record: UserRecord) -> User {
        let now = self.clock.seconds();
        User {
            failed_logins: AccountLimit::recent_failures(&record.failures, now),
            locked_until: self.limit().state(&record.failures, now).until(),
            name: record.name,
            admin: record.admin,
            disabled: record.disabled,
            created_at: record.created_at,
        }
    }
}

/// Refuses to have changed a user that does not exist.
fn known(exists: bool, name: &AccountName) -> Result<(), AdminError> {
    if exists { Ok(()) } else { Err(AdminError::UnknownUser(name.clone())) }
}
