//! A password to be set: one that a person chose and that is good enough, or a generated one, which is shown once.

use crate::admin::AdminError;
use crate::auth::{MAX_PASSWORD_LENGTH, Secret, check_chosen_password, hash_password};
use crate::domain::AccountName;

/// A password to be set.
#[derive(Clone, Debug)]
pub(crate) struct NewPassword {
    secret: Secret,
    generated: bool,
}

impl NewPassword {
    /// The longest password, in bytes.
    pub(crate) const LONGEST: usize = MAX_PASSWORD_LENGTH;

    /// The password that the user of this name chose: refused if it is empty, too long or easily guessed.
    pub(crate) fn chosen(name: &AccountName, text: &str) -> Result<Self, AdminError> {
        if text.is_empty() {
            return Err(AdminError::EmptyPassword);
        }
        let secret = Secret::new(text)?;
        check_chosen_password(name, &secret)?;
        Ok(Self { secret, generated: false })
    }

    /// A new random password.
    pub(crate) fn generated() -> Self {
        Self::generated_before(Secret::generate())
    }

    /// A random password from an earlier attempt.
    pub(crate) fn generated_before(secret: Secret) -> Self {
        Self { secret, generated: true }
    }

    /// The text, if it was generated: for showing it once.
    pub(crate) fn to_show(&self) -> Option<&str> {
        self.generated.then(|| self.secret.expose())
    }

    /// Checks a chosen password for the user who gets it, and hashes it off the asynchronous threads.
    pub(super) async fn hash(self, name: &AccountName) -> Result<String, AdminError> {
        if !self.generated {
            check_chosen_password(name, &self.secret)?;
        }
        let hashing = tokio::task::spawn_blocking(move || hash_password(&self.secret));
        hashing.await.map_err(|_| AdminError::Stopping)
    }
}
