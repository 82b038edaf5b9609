//! The administrator that a new registry begins with.
//!
//! A generated password is in its file, durable, before the database knows of the administrator: whatever stops a first start, the
//! password of an administrator that exists can be read.

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::data_directory::DataDirectory;
use crate::admin::{Administration, NewPassword, ReplacedPassword};
use crate::auth::{AdminPermit, Secret};
use crate::domain::AccountName;
use crate::pki::write_key;

/// The administrator of a new registry.
pub(crate) struct Administrator {
    pub(crate) name: AccountName,
    password: NewPassword,
}

impl Administrator {
    /// Adds the administrator to a new database, with a generated password if none is given; `None` if another process was faster.
    pub(super) async fn add(
        data: &DataDirectory,
        admin: &Administration,
        name: AccountName,
        password: Option<NewPassword>,
    ) -> anyhow::Result<Option<Self>> {
        let password = match password {
            Some(password) => password,
            None => keep_generated(data)?,
        };
        let permit = AdminPermit::local_operator(data.open()?).context("cannot write in the data directory")?;
        if admin.add_first_administrator(&permit, name.clone(), password.clone()).await? {
            return Ok(Some(Self { name, password }));
        }
        // The password of an administrator that was not added.
        data.forget_first_password()?;
        Ok(None)
    }

    /// The password, if it was generated: shown once.
    pub(crate) fn password_to_show(&self) -> Option<&str> {
        self.password.to_show()
    }
}

/// The password of an attempt that was interrupted, or a new one, in its file.
fn keep_generated(data: &DataDirectory) -> anyhow::Result<NewPassword> {
    if let Some(secret) = data.read_first_password() {
        return Ok(NewPassword::generated_before(secret));
    }
    let secret = Secret::generate();
    write_key(&data.first_password(), Zeroizing::new(format!("{}\n", secret.expose())).as_bytes())?;
    Ok(NewPassword::generated_before(secret))
}

/// Removes the file with the first password if that was the one replaced: it is of no use any more.
pub(crate) fn forget_replaced_password(data: &DataDirectory, replaced: &ReplacedPassword) -> anyhow::Result<()> {
    if data.read_first_password().is_some_and(|first| replaced.was(&first)) {
        data.forget_first_password().context("the password was changed, but its file still exists")?;
    }
    Ok(())
}
