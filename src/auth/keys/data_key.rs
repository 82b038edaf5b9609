//! The key that encrypts the secrets in the database (private keys of tokens, accounts with an ACME server), so that a stolen database
//! signs nothing.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::auth::AuthError;

/// What encrypted data begins with: the version of this format.
const FORMAT: u8 = 1;
/// What the files of certificates are authenticated with, so that nothing else is taken for them.
const FILES: &str = "portcullis shared files";

/// A key of 32 random bytes. The caller keeps it in a file outside the database that only the service's own user can read.
/// `Debug` does not show it, and dropping it wipes it.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; Self::LENGTH]>);

impl DataKey {
    /// The length of the key, in bytes.
    pub const LENGTH: usize = 32;

    /// Takes over the key.
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Makes a new key.
    pub fn generate() -> Self {
        Self::new(rand::random())
    }

    /// The key itself, for writing it to its file.
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Encrypts a token key: AES-256-GCM with a random nonce; `name` is authenticated, so encrypted keys cannot be exchanged for one another.
    pub(super) fn encrypt(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, AuthError> {
        self.encrypt_in(&context(name), secret)
    }

    /// Encrypts an account with the ACME server of `directory`. The directory is authenticated as well.
    pub fn encrypt_account(&self, directory: &str, account: &[u8]) -> Result<Vec<u8>, AuthError> {
        self.encrypt_in(&account_context(directory), account)
    }

    /// Decrypts what [`Self::encrypt_account`] encrypted for the same directory.
    pub fn decrypt_account(&self, directory: &str, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        let damaged = || AuthError::UnreadableAccount { directory: directory.to_owned() };
        self.decrypt_in(&account_context(directory), encrypted)?.ok_or_else(damaged)
    }

    /// Encrypts the files that the nodes of a registry share.
    pub fn encrypt_files(&self, files: &[u8]) -> Result<Vec<u8>, AuthError> {
        self.encrypt_in(FILES, files)
    }

    /// Decrypts what [`Self::encrypt_files`] encrypted.
    pub fn decrypt_files(&self, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        self.decrypt_in(FILES, encrypted)?.ok_or(AuthError::UnreadableFiles)
    }

    /// By which nodes find out whether they have the same key. It does not tell the key.
    pub fn check_value(&self) -> Vec<u8> {
        self.derive(b"portcullis data key").as_ref().to_vec()
    }

    /// A key for hashing what is typed as a name at logins: people type passwords there, and the database must not tell them.
    pub(in crate::auth) fn login_names(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(b"portcullis login names").as_ref())
    }

    fn derive(&self, purpose: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.expose()), purpose)
    }

    fn encrypt_in(&self, context: &str, secret: &[u8]) -> Result<Vec<u8>, AuthError> {
        let mut body = secret.to_vec();
        let nonce = self
            .cipher()?
            .seal_in_place_append_tag(Aad::from(context), &mut body)
            .map_err(|_| AuthError::Cryptography("encrypting a secret"))?;
        let mut encrypted = Vec::with_capacity(1 + NONCE_LEN + body.len());
        encrypted.push(FORMAT);
        encrypted.extend_from_slice(nonce.as_ref());
        encrypted.append(&mut body);
        Ok(encrypted)
    }

    /// Decrypts what [`Self::encrypt`] encrypted under the same name.
    pub(super) fn decrypt(&self, name: &str, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        self.decrypt_in(&context(name), encrypted)?
            .ok_or_else(|| AuthError::UnreadableTokenKey { kid: name.to_owned() })
    }

    /// `None` if it was encrypted otherwise, or is damaged.
    fn decrypt_in(&self, context: &str, encrypted: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, AuthError> {
        let [FORMAT, rest @ ..] = encrypted else { return Ok(None) };
        let Some((nonce, body)) = rest.split_at_checked(NONCE_LEN) else { return Ok(None) };
        let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else { return Ok(None) };
        let mut secret = Zeroizing::new(body.to_vec());
        let decrypted = self.cipher()?.open_in_place(nonce, Aad::from(context), &mut secret);
        let Ok(length) = decrypted.map(|decrypted| decrypted.len()) else { return Ok(None) };
        secret.truncate(length);
        Ok(Some(secret))
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, AuthError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.expose())
            .map_err(|_| AuthError::Cryptography("preparing the data key"))
    }
}

fn context(name: &str) -> String {
    format!("portcullis token key {name}")
}

fn account_context(directory: &str) -> String {
    format!("portcullis acme account {directory}")
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_name_decrypt_and_every_bit_counts() {
        let (key, other) = (DataKey::generate(), DataKey::generate());
        let encrypted = key.encrypt("kid", b"secret").expect("encrypted");
        assert_ne!(encrypted, key.encrypt("kid", b"secret").expect("encrypted"), "nonces differ");
        assert!(!encrypted.windows(6).any(|window| window == b"secret"));
        assert_eq!(key.decrypt("kid", &encrypted).expect("decrypted").as_slice(), b"secret");
        assert!(other.decrypt("kid", &encrypted).is_err() && key.decrypt("kid2", &encrypted).is_err());
        for length in 0..encrypted.len() {
            assert!(key.decrypt("kid", &encrypted[..length]).is_err(), "{length}");
        }
        for bit in 0..encrypted.len() * 8 {
            let mut flipped = encrypted.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.decrypt("kid", &flipped).is_err(), "{bit}");
        }
        assert_eq!(format!("{key:?}"), "DataKey(redacted)");
    }

    #[test]
    fn accounts_and_token_keys_do_not_decrypt_as_one_another() {
        let key = DataKey::generate();
        let encrypted = key.encrypt_account("https://ca.test/dir", b"account").expect("encrypted");
        assert_eq!(key.decrypt_account("https://ca.test/dir", &encrypted).expect("decrypted").as_slice(), b"account");
        assert!(key.decrypt_account("https://other.test/dir", &encrypted).is_err());
        assert!(key.decrypt("https://ca.test/dir", &encrypted).is_err());
        let token_key = key.encrypt("kid", b"secret").expect("encrypted");
        assert!(key.decrypt_account("kid", &token_key).is_err());
    }
}
