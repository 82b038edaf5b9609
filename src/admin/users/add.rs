//! Adding a user.

use super::NewPassword;
use super::admission::admit_name;
use crate::admin::{AdminError, Administration};
use crate::auth::{AdminPermit, BcryptHash};
use crate::domain::AccountName;
use crate::storage::metadata::{AddedUser, NewUser as NewRecord};

/// A user to be added.
#[derive(Clone, Debug)]
pub(crate) struct NewUser {
    /// The name to log in with.
    pub(crate) name: AccountName,
    /// The password to begin with.
    pub(crate) password: NewPassword,
    /// Whether the user may do everything.
    pub(crate) admin: bool,
    /// Whether repositories of `NAME/**` that already exist may become the user's own.
    pub(crate) own_existing: bool,
}

impl Administration {
    /// Adds a user, who owns `NAME/**` if personal namespaces are on.
    pub(crate) async fn add_user(&self, _permit: &AdminPermit, user: NewUser) -> Result<(), AdminError> {
        let NewUser { name, password, admin, own_existing } = user;
        admit_name(&name)?;
        let password_hash = password.hash(&name).await?;
        self.add_record(NewRecord { name, password_hash, admin }, own_existing).await
    }

    /// Adds a user whose password another registry has hashed. It is hashed again at their next login.
    pub(crate) async fn import_user(
        &self,
        _permit: &AdminPermit,
        name: AccountName,
        password: BcryptHash,
        own_existing: bool,
    ) -> Result<(), AdminError> {
        admit_name(&name)?;
        self.add_record(NewRecord { name, password_hash: password.into_stored(), admin: false }, own_existing).await
    }

    async fn add_record(&self, record: NewRecord, own_existing: bool) -> Result<(), AdminError> {
        let name = record.name.clone();
        let owns_nothing = self.settings.personal_namespaces && !own_existing;
        match self.metadata.add_user(record, owns_nothing).await? {
            AddedUser::Added => Ok(()),
            AddedUser::NameTaken => Err(AdminError::NameTaken(name)),
            AddedUser::WouldOwn(repositories) => Err(AdminError::WouldOwn { name, repositories }),
        }
    }

    /// Adds the administrator that a registry begins with. `false`, and nothing done, where a user was ever added, by whichever node.
    pub(crate) async fn add_first_administrator(
        &self,
        _permit: &AdminPermit,
        name: AccountName,
        password: NewPassword,
    ) -> Result<bool, AdminError> {
        admit_name(&name)?;
        let password_hash = password.hash(&name).await?;
        Ok(self.metadata.add_first_user(NewRecord { name, password_hash, admin: true }).await?)
    }
}
