//! Users. Every change bumps the policy version.

use async_trait::async_trait;

use crate::domain::{AccountName, RepositoryName};
use crate::storage::StorageError;
use crate::storage::metadata::FailureRecord;

/// A user to be added.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name to log in with.
    pub name: AccountName,
    /// Argon2id in PHC form; of a user who was imported and has not logged in since, what bcrypt made.
    pub password_hash: String,
    /// Whether all is allowed.
    pub admin: bool,
}

/// What becomes of adding a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddedUser {
    /// The user was added.
    Added,
    /// Nothing was done: the name is taken.
    NameTaken,
    /// Nothing was done: these repositories, and perhaps more, have names that begin with the user's, who would own them.
    WouldOwn(Vec<RepositoryName>),
}

/// A user as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The name to log in with.
    pub name: AccountName,
    /// Argon2id in PHC form; of a user who was imported and has not logged in since, what bcrypt made.
    pub password_hash: String,
    /// Whether all is allowed.
    pub admin: bool,
    /// Whether nothing is.
    pub disabled: bool,
    /// Grows when outstanding tokens must end: on disabling, a new password, removal and re-creation. Unique over all users and time.
    pub epoch: i64,
    /// When the user was added.
    pub created_at: i64,
    /// The wrong passwords of late.
    pub failures: FailureRecord,
}

/// Users by name.
#[async_trait]
pub trait Users {
    /// Adds a user. Where `owns_nothing`, only if no repository is in `NAME/**`: checked in the same transaction.
    async fn add_user(&self, user: NewUser, owns_nothing: bool) -> Result<AddedUser, StorageError>;

    /// Adds the first user of a registry. `false`, and nothing done, where a user was ever added: of several nodes that start on a new
    /// database, one adds the administrator.
    async fn add_first_user(&self, user: NewUser) -> Result<bool, StorageError>;

    /// The user of this name.
    async fn user(&self, name: &AccountName) -> Result<Option<UserRecord>, StorageError>;

    /// All users in ASCII order.
    async fn users(&self) -> Result<Vec<UserRecord>, StorageError>;

    /// Sets the password and a new epoch, and forgets wrong passwords. `false` if the user is unknown.
    async fn set_password(&self, name: &AccountName, password_hash: String) -> Result<bool, StorageError>;

    /// Replaces the hash of the same password by one with other parameters, if it is still `old`; no new epoch, no new policy version.
    async fn rehash_password(&self, name: &AccountName, old: &str, new: String) -> Result<bool, StorageError>;

    /// Disables or enables; disabling sets a new epoch. `false` if the user is unknown.
    async fn set_disabled(&self, name: &AccountName, disabled: bool) -> Result<bool, StorageError>;

    /// Removes the user and the grants given to it. `false` if the user is unknown.
    async fn remove_user(&self, name: &AccountName) -> Result<bool, StorageError>;
}
