//! A data key that comes from a passphrase: what it encrypts can be opened by anyone who knows that.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::DataKey;
use crate::auth::AuthError;

/// What the key is derived with, kept next to what it encrypts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PassphraseSalt(pub(crate) [u8; 16]);

impl PassphraseSalt {
    /// A new one.
    pub(crate) fn draw() -> Self {
        Self(rand::random())
    }

    /// The key of this passphrase: Argon2id with 64 MiB, three times over, since a backup can be tried on for as long as someone likes.
    pub(crate) fn key_of(&self, passphrase: &str) -> Result<DataKey, AuthError> {
        let failed = |_| AuthError::Cryptography("deriving a key from a passphrase");
        let params = Params::new(64 * 1024, 3, 1, Some(DataKey::LENGTH)).map_err(failed)?;
        let mut key = Zeroizing::new([0; DataKey::LENGTH]);
        let derive = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        derive.hash_password_into(passphrase.as_bytes(), &self.0, key.as_mut_slice()).map_err(failed)?;
        Ok(DataKey::new(*key))
    }
}
