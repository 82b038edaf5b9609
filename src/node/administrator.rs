//! The administrator that a new registry begins with.
//!
//! A generated password is in its file, durable, before the database knows of the administrator: whatever stops a first start, the
//! password of an administrator that exists can be read.

use zeroize::Zeroizing;

use super::data_directory::DataDirectory;
use crate::auth::{Secret, hash_password};
use crate::domain::AccountName;
use crate::pki::write_key;
use crate::storage::metadata::{AddedUser, Metadata, NewUser};

/// The administrator of a new registry.
pub(crate) struct Administrator {
    pub(crate) name: AccountName,
    /// The password, where it was generated: shown once.
    pub(crate) password: Option<Secret>,
}

impl Administrator {
    /// Adds the administrator, with a generated password where none is given; `None` where users were added before, of whom none is
    /// touched.
    pub(crate) async fn add(
        data: &DataDirectory,
        metadata: &dyn Metadata,
        name: AccountName,
        password: Option<Secret>,
    ) -> anyhow::Result<Option<Self>> {
        if !metadata.is_new().await? {
            return Ok(None);
        }
        let generated = password.is_none();
        let secret = match password {
            Some(secret) => secret,
            None => keep_generated(data)?,
        };
        let password_hash = hash_password(&secret);
        let user = NewUser { name: name.clone(), password_hash, admin: true };
        if metadata.add_user(user, false).await? != AddedUser::Added {
            return Ok(None);
        }
        Ok(Some(Self { name, password: generated.then_some(secret) }))
    }
}

/// The password of an attempt that was interrupted, or a new one, in its file.
fn keep_generated(data: &DataDirectory) -> anyhow::Result<Secret> {
    if let Some(secret) = data.read_first_password() {
        return Ok(secret);
    }
    let secret = Secret::generate();
    write_key(&data.first_password(), Zeroizing::new(format!("{}\n", secret.expose())).as_bytes())?;
    Ok(secret)
}
