//! The administrator that a new registry begins with.

use crate::auth::{Secret, hash_password};
use crate::domain::AccountName;
use crate::storage::metadata::sqlite::SqliteMetadata;
use crate::storage::metadata::{AddedUser, NewUser, Users};

/// The administrator of a new registry.
pub(super) struct Administrator {
    pub(super) name: AccountName,
    /// The password, where it was generated: shown once.
    pub(super) password: Option<Secret>,
}

impl Administrator {
    /// Adds the administrator, with a generated password where none is given.
    pub(super) async fn add(
        metadata: &SqliteMetadata,
        name: AccountName,
        password: Option<Secret>,
    ) -> anyhow::Result<Self> {
        let generated = password.is_none();
        let secret = password.unwrap_or_else(Secret::generate);
        let password_hash = hash_password(&secret);
        let user = NewUser { name: name.clone(), password_hash: password_hash.clone(), admin: true };
        if metadata.add_user(user, false).await? == AddedUser::NameTaken {
            // A run that was interrupted after this point showed no password yet.
            metadata.set_password(&name, password_hash).await?;
        }
        Ok(Self { name, password: generated.then_some(secret) })
    }
}
